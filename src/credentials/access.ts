/** The way to OpenBao that a configuration describes: connections, and the credential that goes over them. */
import type { AppRoleAuth, CertAuth, JwtAuth, OpenBaoConfig } from '../config/config.ts';
import type { WardenError } from '../errors.ts';
import { type AuthEngine, authEngine } from '../openbao/auth-engine.ts';
import { createHttpClient, type ReadyHttpClient } from '../openbao/http-client.ts';
import { oidcFlow } from '../openbao/oidc-flow.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { appRoleMethod } from './approle.ts';
import { certMethod } from './cert.ts';
import type { Credential, LoginMethod } from './credential.ts';
import type { SecretEnvironment } from './environment.ts';
import { inlineCredential } from './inline.ts';
import { jwtMethod } from './jwt.ts';
import type { LoginReport } from './login-reports.ts';
import { type RequestMethod, requestMethod } from './login-request.ts';
import { noCredential } from './none.ts';
import { oidcMethod } from './oidc.ts';
import { tokenMethod } from './token.ts';
import { TokenStore } from './token-store.ts';
import { userpassMethod } from './userpass.ts';

/** For revoking a token on the way out: it ends by itself, too. */
const CLOSE_DEADLINE_MS = 1_000;

export interface AccessOptions {
  readonly environment: SecretEnvironment;
  readonly clock?: Clock;
  /** Whether a response-wrapped secret id may be unwrapped; default true. It can be once: whoever only looks leaves it to the agent. */
  readonly unwrap?: boolean;
  /** Told of what went wrong with nobody waiting for it; never holds a secret. */
  readonly notice?: (error: WardenError) => void;
  /** Told of logins that are worth it. */
  readonly onLogin?: (report: LoginReport) => void;
}

export interface Access {
  readonly http: ReadyHttpClient;
  readonly engine: AuthEngine;
  readonly credential: Credential;
  /** Revokes a token that was got by itself, and ends the connections. Never rejects. */
  close(): Promise<void>;
}

/** What of the configuration makes an access: another with the same has no reason to be made. */
export function accessKey({ addresses, namespace, tls, auth }: OpenBaoConfig) {
  return { addresses, namespace, tls, auth };
}

type Parts = Pick<Access, 'http' | 'engine'>;

/** Ways that are one request. */
function requestMethodOf(
  auth: AppRoleAuth | CertAuth | JwtAuth,
  { engine }: Parts,
  { environment, unwrap }: Required<AccessOptions>,
): RequestMethod {
  switch (auth.method) {
    case 'approle':
      return appRoleMethod(auth, engine, environment, unwrap);
    case 'jwt':
    case 'kubernetes':
      return jwtMethod(auth, environment);
    case 'cert':
      return certMethod(auth);
  }
}

function credentialOf(
  { auth, namespace }: OpenBaoConfig,
  parts: Parts,
  options: Required<AccessOptions>,
): Credential {
  const { environment, clock, notice, onLogin } = options;
  const { http, engine } = parts;
  const hold = (method: LoginMethod) => new TokenStore({ method, engine, clock, notice, onLogin });
  if (auth.method === 'none') return noCredential;
  if (auth.method === 'token') return hold(tokenMethod(auth, environment));
  if (auth.method === 'userpass') return hold(userpassMethod(auth, engine));
  if (auth.method === 'oidc') return hold(oidcMethod(auth, engine, oidcFlow(http, namespace, auth.mount)));
  const method = requestMethodOf(auth, parts, options);
  return 'inline' in auth && auth.inline
    ? inlineCredential(method, http)
    : hold(requestMethod(method, engine));
}

/** Connects to nothing yet; secrets are taken out of the environment now. Throws `config_invalid`. */
export function openAccess(openbao: OpenBaoConfig, options: AccessOptions): Access {
  const { environment, clock = systemClock, unwrap = true } = options;
  const { notice = () => undefined, onLogin = () => undefined } = options;
  const http = createHttpClient(openbao.addresses, openbao.tls, clock);
  const engine = authEngine(http, openbao.namespace);
  const credential = credentialOf(openbao, { http, engine }, { environment, clock, unwrap, notice, onLogin });
  return {
    http,
    engine,
    credential,
    async close() {
      await credential.close(CLOSE_DEADLINE_MS).catch(() => undefined);
      http.close();
    },
  };
}
