/**
 * The method `none`: whoever listens at the address logs in, and warden holds no credential at all (OpenBao's docs, "OpenBao Proxy",
 * `use_auto_auth_token`; the same of `bao agent`).
 */
import { WardenError } from '../errors.ts';
import { policyHint } from '../openbao/answers.ts';
import { NO_AUTHORIZATION } from '../openbao/headers.ts';
import type { Credential } from './credential.ts';

const HINT = "look at the proxy's own log: its auto-auth has no token, or use_auto_auth_token is not set";

export const noCredential: Credential = {
  method: 'none',
  loginCommand: undefined,
  byVisit: false,
  ready: async () => true,
  authorization: async () => NO_AUTHORIZATION,
  refused: async (_used, path, cause) =>
    cause.code === 'bao_denied'
      ? new WardenError('bao_denied', cause.message, { hint: policyHint(path), cause })
      : new WardenError('no_token', `${cause.message} (the proxy at openbao.addr)`, { hint: HINT, cause }),
  login: async () => {
    throw new WardenError('usage', 'the proxy at openbao.addr logs in, not warden', { hint: HINT });
  },
  logout: async () => undefined,
  warm: async () => undefined,
  describe: () => 'none: the proxy at openbao.addr logs in',
  identity: () => undefined,
  close: async () => undefined,
};
