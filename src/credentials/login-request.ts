/** Ways to log in that are one request, with nothing asked of a person: the daemon does it by itself, as often as it takes. */
import { WardenError } from '../errors.ts';
import { type AuthEngine, wantsMfa } from '../openbao/auth-engine.ts';
import type { LoginMethod } from './credential.ts';

export interface LoginRequest {
  /** Behind `auth/`: `approle/login`. */
  readonly path: string;
  readonly body: Readonly<Record<string, string>>;
}

export interface RequestMethod {
  readonly method: string;
  /** What to do where OpenBao refuses the login. */
  readonly hint: string;
  /** Where the credential comes from; never a secret. */
  describe(): string;
  /** What to send: its secrets are read anew each time, since they rotate. Throws `no_token` with what to do, and `login_refused`. */
  request(deadlineMs: number): Promise<LoginRequest>;
}

/** The same refusal with what this method has to say about it. */
export function withHint(error: unknown, hint: string): unknown {
  return error instanceof WardenError && error.code === 'login_refused'
    ? new WardenError('login_refused', error.message, { hint: `${hint}; ${error.hint}`, cause: error })
    : error;
}

export function requestMethod(made: RequestMethod, engine: AuthEngine): LoginMethod {
  const { method, hint } = made;
  return {
    method,
    renewedBy: 'daemon',
    hint,
    describe: () => made.describe(),
    async logIn(deadlineMs) {
      const started = performance.now();
      const { path, body } = await made.request(deadlineMs);
      const left = Math.max(1, deadlineMs - (performance.now() - started));
      const answer = await engine.login(path, body, left).catch((thrown: unknown) => {
        throw withHint(thrown, hint);
      });
      if (!wantsMfa(answer)) return answer;
      throw new WardenError('login_refused', `auth/${path} wants a second factor, which takes a person`, {
        hint: 'take the daemon out of the MFA enforcement, or use a method for people: userpass, oidc',
      });
    },
    // A token that is good stays good, whatever becomes of what it was got with.
    changed: async () => false,
  };
}
