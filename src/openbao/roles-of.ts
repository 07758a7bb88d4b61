/** The roles that `openbao.role_map` and lanes name, as the token may see them. */
import type { OpenBaoConfig } from '../config/config.ts';
import { openAccess } from '../credentials/access.ts';
import { asWardenError } from '../errors.ts';
import { createSurvey, type RoleFields } from './survey.ts';

const DEADLINE_MS = 3_000;

export interface SeenRoles {
  /** By name: the role, or why it can't be seen. */
  readonly roles: ReadonlyMap<string, RoleFields | string>;
  /** Seconds that the token has left; 0: forever; undefined: not known. */
  readonly tokenTtlSeconds: number | undefined;
}

/** Reads each of `names` with the credential that is found in `env` or beside it; never throws but `config_invalid`. */
export async function seeRoles(
  openbao: OpenBaoConfig,
  env: NodeJS.ProcessEnv,
  names: ReadonlySet<string>,
): Promise<SeenRoles> {
  const access = openAccess(openbao, { environment: { env, taken: {} }, unwrap: false });
  const survey = createSurvey(access.http, openbao.namespace);
  const roles = new Map<string, RoleFields | string>();
  try {
    const authorization = await access.credential.authorization(DEADLINE_MS);
    const info = await access.engine.lookupSelf(authorization, DEADLINE_MS).catch(() => undefined);
    for (const name of names) {
      const role = await survey
        .role(authorization, openbao.mount, name, DEADLINE_MS)
        .catch((thrown: unknown) => asWardenError(thrown).message);
      roles.set(name, role ?? 'there is no such role');
    }
    return { roles, tokenTtlSeconds: info?.ttlSeconds };
  } catch (thrown) {
    const { message } = asWardenError(thrown);
    return { roles: new Map([...names].map((name) => [name, message])), tokenTtlSeconds: undefined };
  } finally {
    await access.close();
  }
}
