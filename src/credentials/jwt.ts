/**
 * The methods `jwt` and `kubernetes` (OpenBao's docs, "JWT/OIDC auth method", "Kubernetes auth method"): a signed token of somebody else's,
 * which rotates and is read anew at each login. Left out: the identity documents of clouds.
 */
import type { JwtAuth } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import type { SecretEnvironment } from './environment.ts';
import type { RequestMethod } from './login-request.ts';
import { secretSource } from './secret-source.ts';

/** Throws `config_invalid` where no place is named. */
export function jwtMethod(auth: JwtAuth, environment: SecretEnvironment): RequestMethod {
  const { method, mount, role } = auth;
  const source = secretSource('JWT', { variable: auth.jwtEnv, file: auth.jwtFile }, environment);
  if (source === undefined)
    throw new WardenError('config_invalid', 'openbao.auth names no place of a JWT', {
      hint: 'name it: openbao.auth.jwt_file or jwt_env',
    });
  const from = source.describe();
  return {
    method,
    hint: `has the JWT (${from}) expired, and does the role ${role} at auth/${mount} take its issuer, audience and subject?`,
    describe: () => `role ${role} at auth/${mount}, JWT from ${from}`,
    request: async () => ({ path: `${mount}/login`, body: { role, jwt: await source.read() } }),
  };
}
