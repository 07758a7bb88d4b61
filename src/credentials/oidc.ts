/**
 * The method `oidc` (OpenBao's docs, "JWT/OIDC auth method"): a person logs in at the provider with a browser. By the role's `callback_mode`
 * the browser comes back to warden (`client`), to OpenBao (`direct`), or nowhere at all (`device`: it may be on another machine); in the
 * last two warden asks OpenBao until it is done. Whoever sees the address can go there and log in as themselves, as with OpenBao's own
 * command line: `warden login` says as whom.
 */
import { randomBytes } from 'node:crypto';
import type { OidcAuth } from '../config/config.ts';
import { asWardenError, type ErrorCode, WardenError } from '../errors.ts';
import type { AuthEngine, Grant, MfaRequirement } from '../openbao/auth-engine.ts';
import type { OidcBegun, OidcFlow } from '../openbao/oidc-flow.ts';
import { type Dialogue, type LoginMethod, WARDEN_LOGIN } from './credential.ts';
import { withHint } from './login-request.ts';
import { openCallback } from './oidc-callback.ts';
import { loginNeeded, satisfyMfa } from './userpass.ts';

/** For one request, not for the person. */
const REQUEST_DEADLINE_MS = 10_000;

/** The next poll may go better. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'bao_unreachable',
  'bao_disconnected',
  'bao_timeout',
  'bao_unavailable',
  'bao_rate_limited',
]);

function over(): WardenError {
  return new WardenError('no_token', 'the login at the provider was not done in time, or was given up', {
    hint: 'begin again: warden login',
  });
}

/** What `work` gives, unless the person gives up first. */
async function unlessOver<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let end = () => {};
  const ended = new Promise<never>((_resolve, reject) => {
    end = () => reject(over());
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    signal.removeEventListener('abort', end);
  }
}

async function byBrowser(
  flow: OidcFlow,
  { url }: OidcBegun,
  { redirectUri }: OidcAuth,
  clientNonce: string,
  dialogue: Dialogue,
  signal: AbortSignal,
): Promise<Grant | MfaRequirement> {
  const state = new URL(url).searchParams.get('state') ?? '';
  if (state === '') throw new WardenError('bao_bad_answer', 'OpenBao names an address without a state');
  const callback = await openCallback(redirectUri, state);
  try {
    dialogue.visit({ url });
    const { code, show } = await unlessOver(signal, callback.returned);
    try {
      const answer = await flow.finish({ state, code, clientNonce }, REQUEST_DEADLINE_MS);
      show();
      return answer;
    } catch (thrown) {
      show(asWardenError(thrown).message);
      throw thrown;
    }
  } finally {
    callback.close();
  }
}

async function byPolling(
  flow: OidcFlow,
  { url, userCode }: OidcBegun,
  { state, seconds }: NonNullable<OidcBegun['poll']>,
  clientNonce: string,
  dialogue: Dialogue,
  signal: AbortSignal,
): Promise<Grant | MfaRequirement> {
  dialogue.visit(userCode === undefined ? { url } : { url, code: userCode });
  for (let pause = seconds; ; ) {
    const waited = new Promise((resolve) => setTimeout(resolve, pause * 1000).unref());
    await unlessOver(signal, waited);
    const polled = await flow.poll({ state, clientNonce }, REQUEST_DEADLINE_MS).catch((thrown: unknown) => {
      const error = asWardenError(thrown);
      if (PASSING.has(error.code)) return 'pending' as const;
      throw error;
    });
    if (polled === 'slow_down') pause *= 2;
    else if (polled !== 'pending') return polled;
  }
}

export function oidcMethod(auth: OidcAuth, engine: AuthEngine, flow: OidcFlow): LoginMethod {
  const { mount, role, redirectUri } = auth;
  const describe = () => `${role === undefined ? 'the default role' : `role ${role}`} at auth/${mount}`;
  /** The login under way. A person who begins anew has given it up, and its port is wanted. */
  let current: AbortController | undefined;
  return {
    method: 'oidc',
    renewedBy: 'person',
    hint: 'log in again: warden login',
    loginCommand: WARDEN_LOGIN,
    byVisit: true,
    describe,
    async logIn(_deadlineMs, dialogue) {
      if (dialogue === undefined) throw loginNeeded(describe());
      if (dialogue.by === 'ssh' && current !== undefined) throw over();
      current?.abort();
      const own = new AbortController();
      current = own;
      const signal = AbortSignal.any([dialogue.signal, own.signal]);
      const clientNonce = randomBytes(24).toString('base64url');
      try {
        const begun = await flow.begin({ role, redirectUri, clientNonce }, REQUEST_DEADLINE_MS);
        const { poll } = begun;
        const answer = await (poll === undefined
          ? byBrowser(flow, begun, auth, clientNonce, dialogue, signal)
          : byPolling(flow, begun, poll, clientNonce, dialogue, signal));
        return await satisfyMfa(engine, answer, dialogue);
      } catch (thrown) {
        throw withHint(thrown, 'begin again: warden login');
      } finally {
        if (current === own) current = undefined;
      }
    },
    changed: async () => false,
  };
}
