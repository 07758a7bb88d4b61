/** The roles that `openbao.role_map` and lanes name, as the token may see them. */
import type { OpenBaoConfig } from '../config/config.ts';
import { openAccess } from '../credentials/access.ts';
import { asWardenError } from '../errors.ts';
import type { TokenInfo } from './auth-engine.ts';
import { createSurvey, type RoleFields } from './survey.ts';

const DEADLINE_MS = 3_000;

export interface SeenRoles {
  /** By name: the role, or why it can't be seen. */
  readonly roles: ReadonlyMap<string, RoleFields | string>;
  /** Undefined: not known. */
  readonly token: TokenInfo | undefined;
  /** Paths of the audit devices, or why they can't be seen. */
  readonly audit: readonly string[] | string;
}

/**
 * Reads each of `names` with the credential that is found in `env` or beside it, and where `audit` is asked for, the audit devices; never
 * throws but `config_invalid`.
 */
export async function seeRoles(
  openbao: OpenBaoConfig,
  env: NodeJS.ProcessEnv,
  names: ReadonlySet<string>,
  audit = false,
): Promise<SeenRoles> {
  const access = openAccess(openbao, { environment: { env, taken: {} }, unwrap: false });
  const survey = createSurvey(access.http, openbao.namespace);
  const said = (thrown: unknown) => asWardenError(thrown).message;
  const roles = new Map<string, RoleFields | string>();
  try {
    const authorization = await access.credential.authorization(DEADLINE_MS);
    const token = await access.engine.lookupSelf(authorization, DEADLINE_MS).catch(() => undefined);
    for (const name of names) {
      const role = await survey.role(authorization, openbao.mount, name, DEADLINE_MS).catch(said);
      roles.set(name, role ?? 'there is no such role');
    }
    const devices = audit ? await survey.auditDevices(authorization, DEADLINE_MS).catch(said) : 'not asked';
    return { roles, token, audit: devices };
  } catch (thrown) {
    const message = said(thrown);
    return {
      roles: new Map([...names].map((name) => [name, message])),
      token: undefined,
      audit: message,
    };
  } finally {
    await access.close();
  }
}
