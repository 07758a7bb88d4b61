/**
 * The method `approle` (OpenBao's docs, "AppRole auth method"). The secret id comes plain or response-wrapped; a wrapping token is
 * unwrapped once, after it was seen to be made by the AppRole's own path: whoever took the secret id and wrapped it anew can't fake that.
 */
import type { AppRoleAuth } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import type { AuthEngine } from '../openbao/auth-engine.ts';
import type { SecretEnvironment } from './environment.ts';
import type { RequestMethod } from './login-request.ts';
import { secretSource } from './secret-source.ts';

/** Without `mayUnwrap` a wrapping token is left alone: `no_token`. */
export function appRoleMethod(
  auth: AppRoleAuth,
  engine: AuthEngine,
  environment: SecretEnvironment,
  mayUnwrap: boolean,
): RequestMethod {
  const { mount, roleId, secretIdWrapped: isWrapped } = auth;
  const places = { variable: auth.secretIdEnv, file: auth.secretIdFile };
  const source = secretSource(isWrapped ? 'wrapping token' : 'secret id', places, environment);
  let unwrapped: { readonly from: string; readonly secretId: string } | undefined;

  const unwrap = async (wrapped: string, deadlineMs: number): Promise<string> => {
    // Reading it once more would be told from tampering by nobody.
    if (unwrapped?.from === wrapped) return unwrapped.secretId;
    if (!mayUnwrap)
      throw new WardenError(
        'no_token',
        `the secret id (${source?.describe()}) is wrapped, and is the agent's to unwrap`,
        { hint: 'what only the agent can do, a login shows: warden doctor HOST --login' },
      );
    try {
      const path = await engine.wrappedBy(wrapped, deadlineMs);
      if (!path.startsWith(`auth/${mount}/role/`) || !path.endsWith('/secret-id'))
        throw tampered(`was made by ${path}, not by auth/${mount}/role/…/secret-id`);
      unwrapped = { from: wrapped, secretId: await engine.unwrapSecretId(wrapped, deadlineMs) };
      return unwrapped.secretId;
    } catch (thrown) {
      if (!(thrown instanceof WardenError)) throw thrown;
      const unknown = ['bao_bad_request', 'bao_denied', 'token_expired'].includes(thrown.code);
      throw unknown ? tampered('is over, or was unwrapped by somebody else') : thrown;
    }
  };
  const tampered = (why: string) =>
    new WardenError('login_refused', `the wrapping token of the secret id (${source?.describe()}) ${why}`, {
      hint: 'have a new secret id made; if nobody else was to unwrap this one, destroy it and find out who did',
    });

  return {
    method: 'approle',
    hint: `is the secret id (${source?.describe() ?? 'none is named'}) the role's, and not used up? Have a new one made`,
    describe: () => `AppRole ${roleId} at auth/${mount}, secret id from ${source?.describe() ?? 'nowhere'}`,
    async request(deadlineMs) {
      const path = `${mount}/login`;
      if (source === undefined) return { path, body: { role_id: roleId } };
      const text = await source.read();
      const secretId = isWrapped ? await unwrap(text, deadlineMs) : text;
      return { path, body: { role_id: roleId, secret_id: secretId } };
    },
  };
}
