/**
 * What OpenBao says to the credential that doctor finds, which is the daemon's where it is a file: reachable, the mount's CA, the token,
 * and for each role whether it would sign. No certificate is made.
 */
import type { Lane } from '../catalog/lane.ts';
import type { Config } from '../config/config.ts';
import type { Access } from '../credentials/access.ts';
import { asWardenError, WardenError } from '../errors.ts';
import type { TokenInfo } from '../openbao/auth-engine.ts';
import { caPins } from '../openbao/ca-pins.ts';
import type { Authorization } from '../openbao/headers.ts';
import { sshEngine } from '../openbao/ssh-engine.ts';
import { createSurvey, type Health, type RoleFields, type Survey } from '../openbao/survey.ts';

const DEADLINE_MS = 3_000;
/** More roles than this are not asked about. */
const MAX_ROLES = 20;

export interface RoleFact {
  readonly name: string;
  readonly lanes: readonly Lane[];
  /** Why the token can't sign with it; undefined: it can. */
  readonly refusal: WardenError | undefined;
  /** Undefined where there is none; an error where it may not be read. */
  readonly fields: RoleFields | WardenError | undefined;
}

export interface OpenBaoFacts {
  readonly health: Health | WardenError;
  /** OpenBao's clock minus this one's, in milliseconds. */
  readonly skewMs: number | undefined;
  /** Public key lines of the mount. */
  readonly caKeys: readonly string[] | WardenError | undefined;
  /** Expected signers: configured, or pinned when the mount was first asked. */
  readonly pinned: readonly string[];
  /** Where doctor's token comes from. */
  readonly credential: string;
  readonly token: TokenInfo | WardenError | undefined;
  readonly roles: readonly RoleFact[];
}

function caught<T>(promise: Promise<T>): Promise<T | WardenError> {
  return promise.catch((thrown: unknown) => asWardenError(thrown));
}

function pinsOf({ openbao, stateDir }: Config): readonly string[] {
  try {
    const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
    return caPins({ configured: openbao.sshCa, stateDir, server, learn: async () => [] }).known();
  } catch {
    // A list of pins that can't be read is the daemon's to say.
    return [];
  }
}

async function roleFact(
  survey: Survey,
  authorization: Authorization,
  mount: string,
  name: string,
  lanes: readonly Lane[],
): Promise<RoleFact> {
  const [refusal, fields] = await Promise.all([
    caught(survey.whyNotSigning(authorization, mount, name, DEADLINE_MS)),
    caught(survey.role(authorization, mount, name, DEADLINE_MS)),
  ]);
  return { name, lanes, refusal, fields };
}

/** Asks, and closes the access; `lanes` are those whose roles matter. */
export async function askOpenBao(
  config: Config,
  { http, credential, engine: auth, close }: Access,
  lanes: readonly Lane[],
  now: () => number,
): Promise<OpenBaoFacts> {
  const { mount, namespace } = config.openbao;
  try {
    const survey = createSurvey(http, namespace);
    const engine = sshEngine(http, mount, namespace);
    const health = await caught(survey.health(DEADLINE_MS));
    const skewMs =
      'address' in health && health.serverTime !== undefined ? health.serverTime - now() : undefined;
    const none = { health, skewMs, pinned: pinsOf(config), credential: credential.describe() };
    if (!('address' in health) || health.sealed || !health.initialized)
      return { ...none, caKeys: undefined, token: undefined, roles: [] };
    const [caKeys, secret] = await Promise.all([
      caught(engine.caPublicKeys(DEADLINE_MS)),
      caught(credential.authorization(DEADLINE_MS)),
    ]);
    if (secret instanceof WardenError) return { ...none, caKeys, token: secret, roles: [] };
    const names = [...new Set(lanes.map(({ role }) => role))].slice(0, MAX_ROLES);
    const ofRole = (name: string) => lanes.filter(({ role }) => role === name);
    const [token, ...roles] = await Promise.all([
      caught(auth.lookupSelf(secret, DEADLINE_MS)),
      ...names.map((name) => roleFact(survey, secret, mount, name, ofRole(name))),
    ]);
    return { ...none, caKeys, token, roles };
  } finally {
    await close();
  }
}
