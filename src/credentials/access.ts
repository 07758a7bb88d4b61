/** The way to OpenBao that a configuration describes: connections, and the credential that goes over them. */
import type { AuthConfig, OpenBaoConfig } from '../config/config.ts';
import type { WardenError } from '../errors.ts';
import { type AuthEngine, authEngine } from '../openbao/auth-engine.ts';
import { createHttpClient, type HttpClient } from '../openbao/http-client.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import type { Credential, LoginMethod } from './credential.ts';
import type { SecretEnvironment } from './environment.ts';
import { tokenMethod } from './token.ts';
import { TokenStore } from './token-store.ts';

export interface AccessOptions {
  readonly environment: SecretEnvironment;
  readonly clock?: Clock;
  /** Told of what went wrong with nobody waiting for it; never holds a secret. */
  readonly notice?: (error: WardenError) => void;
}

export interface Access {
  readonly http: HttpClient;
  readonly engine: AuthEngine;
  readonly credential: Credential;
  close(): void;
}

/** What of the configuration makes an access: another with the same has no reason to be made. */
export function accessKey({ addresses, namespace, tls, auth }: OpenBaoConfig) {
  return { addresses, namespace, tls, auth };
}

function methodOf(auth: AuthConfig, environment: SecretEnvironment): LoginMethod {
  return tokenMethod(auth, environment);
}

/** Connects to nothing yet; secrets are taken out of the environment now. Throws `config_invalid`. */
export function openAccess(openbao: OpenBaoConfig, options: AccessOptions): Access {
  const { environment, clock = systemClock, notice = () => undefined } = options;
  const http = createHttpClient(openbao.addresses, openbao.tls);
  const engine = authEngine(http, openbao.namespace);
  const method = methodOf(openbao.auth, environment);
  const credential = new TokenStore({ method, engine, clock, notice });
  return {
    http,
    engine,
    credential,
    close() {
      credential.close();
      http.close();
    },
  };
}
