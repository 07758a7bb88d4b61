/**
 * The method `userpass` (OpenBao's docs, "Userpass auth method"): a person gives the password to `warden login`, and it is forgotten when the
 * token is there. A second factor is asked for where OpenBao enforces one.
 */
import type { UserpassAuth } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import { type AuthEngine, type Grant, type MfaRequirement, wantsMfa } from '../openbao/auth-engine.ts';
import { type Dialogue, type LoginMethod, WARDEN_LOGIN } from './credential.ts';
import { withHint } from './login-request.ts';

/** For one request, not for the person. */
const REQUEST_DEADLINE_MS = 10_000;
/** A push to a telephone is answered by a person. */
const MFA_DEADLINE_MS = 60_000;
const MAX_PASSCODES = 3;

export function loginNeeded(describe: string): WardenError {
  return new WardenError('no_token', `nobody is logged in to OpenBao (${describe})`, {
    hint: 'warden login',
  });
}

/** Asks for what the second factor wants until OpenBao gives the token. Throws `login_refused`. */
export async function satisfyMfa(
  engine: AuthEngine,
  answer: Grant | MfaRequirement,
  dialogue: Dialogue,
): Promise<Grant> {
  if (!wantsMfa(answer)) return answer;
  const { requestId, constraints } = answer;
  // Of each constraint one method is enough: one that a passcode can be typed for, else the first.
  const methods = constraints.map((any) => any.find(({ usesPasscode }) => usesPasscode) ?? any[0]);
  for (let attempt = 1; ; attempt++) {
    const passcodes = new Map<string, string>();
    for (const method of methods) {
      if (method === undefined) continue;
      const text = `Passcode (${method.type}): `;
      passcodes.set(method.id, method.usesPasscode ? await dialogue.ask({ text, secret: true }) : '');
    }
    try {
      const validated = await engine.validateMfa(requestId, passcodes, MFA_DEADLINE_MS);
      if (!wantsMfa(validated)) return validated;
      throw new WardenError('bao_bad_answer', 'OpenBao wants another second factor after the second');
    } catch (thrown) {
      const again =
        thrown instanceof WardenError && thrown.code === 'login_refused' && attempt < MAX_PASSCODES;
      if (!again) throw withHint(thrown, 'a passcode is good once, and for half a minute: try the next');
    }
  }
}

export function userpassMethod({ mount, username }: UserpassAuth, engine: AuthEngine): LoginMethod {
  const describe = () => `user ${username} at auth/${mount}`;
  return {
    method: 'userpass',
    renewedBy: 'person',
    hint: 'log in again: warden login',
    loginCommand: WARDEN_LOGIN,
    describe,
    async logIn(_deadlineMs, dialogue) {
      if (dialogue === undefined) throw loginNeeded(describe());
      const password = await dialogue.ask({ text: `Password of ${username} for OpenBao: `, secret: true });
      const answer = await engine
        .login(`${mount}/login/${username}`, { password }, REQUEST_DEADLINE_MS)
        .catch((thrown: unknown) => {
          throw withHint(thrown, 'try again: warden login');
        });
      return satisfyMfa(engine, answer, dialogue);
    },
    changed: async () => false,
  };
}
