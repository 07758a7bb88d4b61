/**
 * What OpenBao says to the credential that doctor finds, which is the daemon's where it is a file: reachable, the mount's CA, the token,
 * and for each role whether it would sign. No certificate is made.
 */
import type { Lane } from '../catalog/lane.ts';
import type { Config } from '../config/config.ts';
import type { Access } from '../credentials/access.ts';
import { asWardenError, WardenError } from '../errors.ts';
import type { AuthEngine, Capabilities, TokenInfo } from '../openbao/auth-engine.ts';
import { pinsOf } from '../openbao/ca-pins.ts';
import type { Authorization } from '../openbao/headers.ts';
import { createHttpClient } from '../openbao/http-client.ts';
import { sshEngine } from '../openbao/ssh-engine.ts';
import { createSurvey, type Health, type RoleFields, type Survey } from '../openbao/survey.ts';

const DEADLINE_MS = 3_000;
const NO_ADDRESS = new WardenError('config_invalid', 'openbao.addr names no address');
/** More roles than this are not asked about. */
const MAX_ROLES = 20;

export interface RoleFact {
  readonly name: string;
  readonly lanes: readonly Lane[];
  /** Why the token can't sign with it; undefined: it can. */
  readonly refusal: WardenError | undefined;
  /** What the token's policies let it do at the role's path, where they refuse. */
  readonly capabilities: Capabilities | undefined;
  /** Undefined where there is none; an error where it may not be read. */
  readonly fields: RoleFields | WardenError | undefined;
}

/** One address of `openbao.addr`, asked by itself. */
export interface NodeFact {
  readonly address: string;
  readonly health: Health | WardenError;
}

export interface OpenBaoFacts {
  /** Of the first node that serves, or, where none does, of the first. */
  readonly health: Health | WardenError;
  readonly nodes: readonly NodeFact[];
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

/** Whether a node serves: initialized, unsealed; a standby does. */
export function serves(health: Health | WardenError): boolean {
  return 'address' in health && health.initialized && !health.sealed;
}

async function lookAtNodes({ addresses, tls }: Config['openbao']): Promise<readonly NodeFact[]> {
  return Promise.all(
    addresses.map(async (address) => {
      const http = createHttpClient([address], tls);
      const health = await caught(createSurvey(http, undefined).health(DEADLINE_MS));
      http.close();
      return { address, health };
    }),
  );
}

async function roleFact(
  survey: Survey,
  auth: AuthEngine,
  authorization: Authorization,
  mount: string,
  name: string,
  lanes: readonly Lane[],
): Promise<RoleFact> {
  const [refusal, fields] = await Promise.all([
    caught(survey.whyNotSigning(authorization, mount, name, DEADLINE_MS)),
    caught(survey.role(authorization, mount, name, DEADLINE_MS)),
  ]);
  const capabilities =
    refusal?.code === 'bao_denied'
      ? await auth
          .capabilities(authorization, `${mount}/sign/${name}`, DEADLINE_MS)
          .catch(() => 'hidden' as const)
      : undefined;
  return { name, lanes, refusal, capabilities, fields };
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
    const nodes = await lookAtNodes(config.openbao);
    const health = (nodes.find((node) => serves(node.health)) ?? nodes[0])?.health ?? NO_ADDRESS;
    const skewMs =
      'address' in health && health.serverTime !== undefined ? health.serverTime - now() : undefined;
    const none = { health, nodes, skewMs, pinned: pinsOf(config), credential: credential.describe() };
    if (!serves(health)) return { ...none, caKeys: undefined, token: undefined, roles: [] };
    const [caKeys, secret] = await Promise.all([
      caught(engine.caPublicKeys(DEADLINE_MS)),
      caught(credential.authorization(DEADLINE_MS)),
    ]);
    if (secret instanceof WardenError) return { ...none, caKeys, token: secret, roles: [] };
    const names = [...new Set(lanes.map(({ role }) => role))].slice(0, MAX_ROLES);
    const ofRole = (name: string) => lanes.filter(({ role }) => role === name);
    const [token, ...roles] = await Promise.all([
      caught(auth.lookupSelf(secret, DEADLINE_MS)),
      ...names.map((name) => roleFact(survey, auth, secret, mount, name, ofRole(name))),
    ]);
    return { ...none, caKeys, token, roles };
  } finally {
    await close();
  }
}
