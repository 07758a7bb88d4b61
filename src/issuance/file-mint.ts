/**
 * Mints a certificate for a file, by the inventory: nothing proves where it will be used, so `adm-` actors need `files: allow`, and the
 * trail says `unbound`. What is too wide is refused, never clamped (ops-warden's contract 1.0). Left out: writing the file.
 */
import type { Config } from '../config/config.ts';
import { asWardenError, EXIT, WardenError } from '../errors.ts';
import { fingerprint } from '../ssh/public-key.ts';
import { readSubmittedKey } from '../ssh/submitted-key.ts';
import type { RecordInput } from '../trail/record.ts';
import type { FileCertificate, FileRequest } from './file-request.ts';
import { type Ask, isoSeconds, type MintDependencies, type Minted, type MintRequest, mint } from './mint.ts';

/** A tool waits here, no login: more than a lane's 3 s, and less than tools' patience. */
const DEADLINE_MS = 10_000;

/** What decides who gets what. */
export type Grants = Pick<Config, 'actors' | 'stateDir'> & {
  readonly openbao: Pick<Config['openbao'], 'roleMap'>;
};

/**
 * What a request comes to by the inventory. Throws `actor_not_allowed` (unknown, or `adm-` without `files: allow`), `not_granted` (a
 * TTL above the actor's cap, a principal that it lacks), `config_invalid` (no role).
 */
export function askFor({ actors, openbao }: Grants, request: FileRequest): Ask {
  const actor = actors.get(request.actor);
  if (actor === undefined)
    throw new WardenError('actor_not_allowed', `${JSON.stringify(request.actor)} is not in the inventory`, {
      hint: 'add it: warden inventory add; or correct the name: warden inventory list',
    });
  if (!actor.files)
    throw new WardenError(
      'actor_not_allowed',
      `the inventory allows ${actor.name} no certificates in files`,
      {
        hint: 'use the agent (warden agent), or write files: allow for this actor in inventory.yaml',
      },
    );
  const ttlSeconds = request.ttl_seconds ?? actor.ttlSeconds;
  if (ttlSeconds > actor.ttlSeconds)
    throw new WardenError(
      'not_granted',
      `${ttlSeconds} s is above the cap of ${actor.name}, ${actor.ttlSeconds / 3600} h`,
      {
        hint: 'ask for less: a TTL is refused, never cut down',
      },
    );
  const principals = [...new Set(request.principals ?? actor.principals)];
  const lacking = principals.filter((principal) => !actor.principals.includes(principal));
  if (lacking.length > 0)
    throw new WardenError(
      'not_granted',
      `${actor.name} lacks ${lacking.map((each) => JSON.stringify(each)).join(', ')}`,
      {
        hint: `the inventory grants: ${actor.principals.join(', ')}`,
      },
    );
  const role = openbao.roleMap[actor.type];
  if (role === undefined)
    throw new WardenError('config_invalid', `openbao.role_map has no role for ${actor.type}`, {
      hint: `write openbao.role_map.${actor.type} in warden.yaml`,
    });
  return {
    actor,
    role,
    principals,
    ttlSeconds,
    extensions: undefined,
    criticalOptions: {},
    deadlineMs: DEADLINE_MS,
  };
}

/** What the trail has of a request that came to nothing before OpenBao was asked. */
export function fileRefusal(
  thrown: unknown,
  { command, actor: name }: Pick<FileRequest, 'command' | 'actor'>,
  { actors }: Pick<Grants, 'actors'>,
  caller: MintRequest['caller'],
): RecordInput {
  const { code, message, exit } = asWardenError(thrown);
  const actor = actors.get(name);
  return {
    event: 'cert.refused',
    phase: 'single',
    outcome: exit === EXIT.refused ? 'denied' : 'error',
    error_code: code,
    ...(actor === undefined ? {} : { actor: { type: actor.type, id: actor.name } }),
    caller,
    source: command,
    unbound: true,
    message,
  };
}

/**
 * Mints. `refused` is given the record of a request that comes to nothing before OpenBao is asked; what is refused later, the mint writes
 * down. Throws what `askFor`, `readSubmittedKey` and `mint` throw.
 */
export async function mintForFile(
  d: MintDependencies,
  grants: Grants,
  request: FileRequest,
  caller: MintRequest['caller'],
  refused: (record: RecordInput) => Promise<void>,
): Promise<FileCertificate> {
  let written = false;
  const append: MintDependencies['trail']['append'] = (record) => {
    written = true;
    return d.trail.append(record);
  };
  try {
    const ask = askFor(grants, request);
    const { blob: publicKey } = readSubmittedKey(request.public_key);
    const { command: source, reason } = request;
    const asked = { ask, publicKey, login: undefined, source, unbound: true, caller, reason };
    return describe(ask, await mint({ ...d, trail: { append } }, asked), grants.stateDir);
  } catch (thrown) {
    if (!written) await refused(fileRefusal(thrown, request, grants, caller));
    throw thrown;
  }
}

function describe({ actor }: Ask, { certificate, blob, corr }: Minted, state_dir: string): FileCertificate {
  return {
    actor: actor.name,
    certificate: `${certificate.type} ${blob.toString('base64')}`,
    serial: certificate.serial.toString(),
    key_id: certificate.keyId,
    principals: [...certificate.principals],
    valid_after: isoSeconds(certificate.validAfter),
    valid_before: isoSeconds(certificate.validBefore),
    fp: fingerprint(certificate.publicKey),
    ca_fp: fingerprint(certificate.signatureKey),
    corr,
    state_dir,
  };
}
