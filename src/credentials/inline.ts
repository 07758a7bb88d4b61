/**
 * `inline: true` (OpenBao's docs, "Inline authentication"): each request logs in by itself, in its own headers, and no token is ever held.
 * Servers before 2.5.4 wrote these headers into their audit log (GHSA-q8cj-789h-vg24), and HashiCorp Vault does not know them: refused.
 */
import { WardenError } from '../errors.ts';
import { policyHint } from '../openbao/answers.ts';
import type { Authorization } from '../openbao/headers.ts';
import type { HttpClient } from '../openbao/http-client.ts';
import { createSurvey } from '../openbao/survey.ts';
import type { Credential } from './credential.ts';
import { type RequestMethod, withHint } from './login-request.ts';

const MINIMUM = [2, 5, 4] as const;

function isOldEnough(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.+-]/).map(Number);
  const [a, b, c] = MINIMUM;
  return major > a || (major === a && (minor > b || (minor === b && patch >= c)));
}

/** A login as headers: each parameter in one of its own, base64url without padding. */
export function inlineHeaders(path: string, body: Readonly<Record<string, string>>): Authorization {
  const parameters = Object.entries(body).map(([key, value], index) => [
    `x-vault-inline-auth-parameter-${index + 1}`,
    Buffer.from(JSON.stringify({ key, value })).toString('base64url'),
  ]);
  return { 'x-vault-inline-auth-path': `auth/${path}`, ...Object.fromEntries(parameters) };
}

export function inlineCredential(method: RequestMethod, http: HttpClient): Credential {
  const survey = createSurvey(http, undefined);
  let known = false;

  /** Once: a secret must not reach an old server, not even the first time. */
  const checkVersion = async (deadlineMs: number) => {
    if (known) return;
    const { version, address } = await survey.health(deadlineMs);
    if (!isOldEnough(version))
      throw new WardenError(
        'config_invalid',
        `${address} is version ${version}: inline login wants OpenBao 2.5.4`,
        {
          hint: 'leave out openbao.auth.inline: older servers write the secret into their audit log (GHSA-q8cj-789h-vg24)',
        },
      );
    known = true;
  };

  return {
    method: method.method,
    loginCommand: undefined,
    byVisit: false,
    ready: async () => true,
    async authorization(deadlineMs) {
      await checkVersion(deadlineMs);
      const { path, body } = await method.request(deadlineMs);
      return inlineHeaders(path, body);
    },
    async refused(_used, path, cause) {
      if (cause.code === 'bao_denied')
        return new WardenError('bao_denied', cause.message, { hint: policyHint(path), cause });
      const refused = new WardenError('login_refused', cause.message, { hint: cause.hint, cause });
      const hinted = withHint(refused, method.hint);
      return hinted instanceof WardenError ? hinted : refused;
    },
    login: async () => undefined,
    logout: async () => undefined,
    warm: checkVersion,
    describe: () => `${method.describe()}, with each request`,
    identity: () => undefined,
    close: async () => undefined,
  };
}
