/** The roles that `openbao.role_map` and lanes name, as the token may see them. */
import type { OpenBaoConfig } from '../config/config.ts';
import type { Credential } from '../credentials/credential.ts';
import { asWardenError } from '../errors.ts';
import { createHttpClient } from './http-client.ts';
import { sshEngine } from './ssh-engine.ts';
import { createSurvey, type RoleFields } from './survey.ts';

const DEADLINE_MS = 3_000;

export interface SeenRoles {
  /** By name: the role, or why it can't be seen. */
  readonly roles: ReadonlyMap<string, RoleFields | string>;
  /** Seconds that the token has left; 0: forever; undefined: not known. */
  readonly tokenTtlSeconds: number | undefined;
}

/** Reads each of `names`; never throws. */
export async function seeRoles(
  openbao: OpenBaoConfig,
  credential: Credential,
  names: ReadonlySet<string>,
): Promise<SeenRoles> {
  const http = createHttpClient(openbao.addresses, openbao.tls);
  const survey = createSurvey(http, openbao.namespace);
  const roles = new Map<string, RoleFields | string>();
  try {
    const token = await credential.token();
    const engine = sshEngine(http, openbao.mount, openbao.namespace);
    const info = await engine.lookupSelf(token, DEADLINE_MS).catch(() => undefined);
    for (const name of names) {
      const role = await survey
        .role(token, openbao.mount, name, DEADLINE_MS)
        .catch((thrown: unknown) => asWardenError(thrown).message);
      roles.set(name, role ?? 'there is no such role');
    }
    return { roles, tokenTtlSeconds: info?.ttlSeconds };
  } catch (thrown) {
    const { message } = asWardenError(thrown);
    return { roles: new Map([...names].map((name) => [name, message])), tokenTtlSeconds: undefined };
  } finally {
    http.close();
  }
}
