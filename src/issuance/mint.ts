/**
 * A mint, the way of every certificate that warden hands out (design.md, "The way of a login"): intent on disk, OpenBao asked,
 * the answer checked, result on disk, and only then the certificate is given to whoever asked (promise 3).
 * The agent brings the key; `warden sign` and `warden issue` bring theirs (file-mint.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Credential } from '../credentials/credential.ts';
import { asWardenError, type ErrorCode, WardenError } from '../errors.ts';
import type { Actor } from '../inventory/actor.ts';
import type { CaPins } from '../openbao/ca-pins.ts';
import type { Pause } from '../openbao/pause.ts';
import type { Quotas } from '../openbao/quotas.ts';
import type { SignAnswer, SshEngine } from '../openbao/ssh-engine.ts';
import { type Gate, GateRefusal, type PolicyRecord } from '../policy/gate.ts';
import { narrowedAsk, policyField, refusalRecord, signingQuestion } from '../policy/signing.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { fingerprint, parsePublicKey } from '../ssh/public-key.ts';
import type { Clock } from '../system/clock.ts';
import { ulid } from '../system/ids.ts';
import type { RecordInput } from '../trail/record.ts';
import type { Trail } from '../trail/trail.ts';
import { type Asked, type CheckedCertificate, checkCertificate } from './check.ts';
import type { MintQueue } from './mint-queue.ts';

export interface MintDependencies {
  readonly clock: Clock;
  readonly trail: Pick<Trail, 'append'>;
  readonly engine: SshEngine;
  readonly credential: Credential;
  readonly pins: CaPins;
  readonly pause: Pause;
  readonly quotas: Quotas;
  readonly queue: MintQueue;
  /** Undefined: none is switched on. */
  readonly gate: Gate | undefined;
  readonly mount: string;
  /** How many addresses OpenBao has. */
  readonly addresses: number;
  readonly keyId: 'none' | 'actor';
  /** Told of each difference between this clock and OpenBao's, in milliseconds (positive: OpenBao's is ahead). */
  readonly onSkew: (ms: number) => void;
}

/** What OpenBao is asked for, and how long it may take. A lane is one source of it. */
export interface Ask {
  readonly actor: Pick<Actor, 'name' | 'type'>;
  /** OpenBao's SSH role. */
  readonly role: string;
  readonly principals: readonly string[];
  readonly ttlSeconds: number;
  /** Undefined: the role's defaults. */
  readonly extensions: readonly string[] | undefined;
  readonly criticalOptions: Readonly<Record<string, string>>;
  /** For the whole mint. */
  readonly deadlineMs: number;
}

/** Where a login goes, as the trail has it. */
export interface Bound {
  readonly lane: string;
  /** The proved name that chose the lane. */
  readonly host: string;
  /** The hosts that a forwarded login came through. */
  readonly via: readonly string[];
}

export interface MintRequest {
  readonly ask: Ask;
  /** The plain public key blob to certify. */
  readonly publicKey: Buffer;
  /** Undefined: for a file, which can be used anywhere. */
  readonly login: Bound | undefined;
  /** Names that may be logged in as, and what the caller's words say of it: for the gate. */
  readonly logins?: readonly string[];
  readonly loginGuess?: string | undefined;
  /** How the host was proved, or which command asks. */
  readonly source: string;
  /** No bind says where the certificate is used. */
  readonly unbound: boolean;
  readonly caller: { readonly uid: number; readonly pid: number; readonly exe?: string };
  /** What the person said it is for; stands in the trail. */
  readonly reason?: string | undefined;
  /** Called when its turn has come, before anything is written or asked. Throws where the certificate is not to be made any more. */
  readonly check?: () => void;
}

export interface Minted extends CheckedCertificate {
  /** The correlation id that intent, result and use share. */
  readonly corr: string;
  /** What was asked for, after the gate. */
  readonly ttlSeconds: number;
}

/** Failures after which one more issuance, with a record of its own, may succeed. */
const WORTH_ANOTHER: ReadonlySet<ErrorCode> = new Set(['bao_disconnected', 'token_expired']);

/** Failures of one node, where there are others. */
const WORTH_ANOTHER_NODE: ReadonlySet<ErrorCode> = new Set([
  'bao_timeout',
  'bao_sealed',
  'bao_unavailable',
  'bao_rate_limited',
]);

/** Seconds since the epoch as ISO 8601. */
export function isoSeconds(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString();
}

/** What the trail says of a certificate. */
function certRecord(certificate: Certificate): NonNullable<RecordInput['cert']> {
  return {
    serial: certificate.serial.toString(),
    key_id: certificate.keyId,
    fp: fingerprint(certificate.publicKey),
    ca_fp: fingerprint(certificate.signatureKey),
    principals: certificate.principals,
    valid_after: isoSeconds(certificate.validAfter),
    valid_before: isoSeconds(certificate.validBefore),
    options: Object.fromEntries([...certificate.criticalOptions, ...certificate.extensions]),
  };
}

async function askOpenBao(d: MintDependencies, r: MintRequest, left: () => number): Promise<SignAnswer> {
  const { actor, role, principals, ttlSeconds, extensions, criticalOptions } = r.ask;
  const authorization = await d.credential.authorization(left());
  const parameters = {
    role,
    publicKey: `${parsePublicKey(r.publicKey).type} ${r.publicKey.toString('base64')}`,
    principals,
    ttlSeconds,
    extensions,
    criticalOptions,
    keyId: d.keyId === 'actor' ? actor.name : undefined,
    deadlineMs: left(),
  };
  return d.engine.sign(authorization, parameters).catch(async (thrown: unknown) => {
    const error = asWardenError(thrown);
    if (error.code !== 'token_expired' && error.code !== 'bao_denied') throw error;
    throw await d.credential.refused(authorization, `${d.mount}/sign/${role}`, error, left());
  });
}

/** What all records about one request say. */
function aboutRequest(d: MintDependencies, r: MintRequest) {
  const { actor } = r.ask;
  return {
    corr: ulid(d.clock.now()),
    actor: { type: actor.type, id: actor.name },
    caller: r.caller,
    source: r.source,
    ...r.login,
    ...(r.unbound ? { unbound: true as const } : {}),
  };
}

/** The request as the gate lets it through, and what it said. Throws GateRefusal, which stands in the trail by then. */
async function passGate(d: MintDependencies, r: MintRequest, deadlineMs: number) {
  if (d.gate === undefined) return { r, policy: undefined };
  try {
    const permission = await d.gate.ask(signingQuestion(r), deadlineMs);
    try {
      return { r: { ...r, ask: narrowedAsk(r.ask, permission) }, policy: permission.record };
    } catch (thrown) {
      throw new GateRefusal(asWardenError(thrown), { ...permission.record, allow: false });
    }
  } catch (thrown) {
    if (thrown instanceof GateRefusal) await d.trail.append(refusalRecord(aboutRequest(d, r), thrown));
    throw thrown;
  }
}

/** `left` says how many milliseconds of the mint's deadline are left. */
async function mintOnce(
  d: MintDependencies,
  r: MintRequest,
  policy: PolicyRecord | undefined,
  left: () => number,
): Promise<Minted> {
  const { ask } = r;
  const common = { ...aboutRequest(d, r), ...policyField(policy) };
  const { corr } = common;
  const bao = { mount: d.mount, role: ask.role, identity: d.credential.identity() };
  await d.trail.append({
    ...common,
    event: 'cert.intent',
    phase: 'intent',
    cert: { fp: fingerprint(r.publicKey), principals: [...ask.principals] },
    bao,
    ...(r.reason === undefined ? {} : { message: r.reason }),
  });
  let answer: SignAnswer | undefined;
  let checked: CheckedCertificate;
  try {
    const expectedCas = await d.pins.expected(left());
    if (left() <= 0)
      throw new WardenError(
        'bao_timeout',
        `the mint's ${ask.deadlineMs} ms are over before OpenBao was asked`,
        { hint: 'look at the disk under state_dir' },
      );
    answer = await askOpenBao(d, r, left);
    if (answer.serverTime !== undefined) d.onSkew(answer.serverTime - d.clock.now());
    const asked: Asked = {
      publicKey: r.publicKey,
      principals: ask.principals,
      ttlSeconds: ask.ttlSeconds,
      extensions: ask.extensions,
      criticalOptions: ask.criticalOptions,
      expectedCas,
      serverTime: answer.serverTime,
    };
    checked = checkCertificate(answer.signedKey, asked);
  } catch (thrown) {
    const error = asWardenError(thrown);
    await d.trail.append({
      ...common,
      event: 'cert.refused',
      phase: 'result',
      outcome: error.exit === 77 ? 'denied' : 'error',
      error_code: error.code,
      bao: {
        ...bao,
        ...(answer === undefined ? {} : { request_id: answer.requestId, address: answer.address }),
      },
      message: error.message,
    });
    throw error;
  }
  await d.trail.append({
    ...common,
    event: 'cert.issued',
    phase: 'result',
    outcome: 'ok',
    cert: certRecord(checked.certificate),
    bao: { ...bao, request_id: answer.requestId, address: answer.address },
  });
  return { corr, ttlSeconds: ask.ttlSeconds, ...checked };
}

/**
 * Mints one certificate within the request's deadline, which begins when its turn has come. Throws WardenError: `mint_busy`, what
 * `check` throws, the trail's (nothing was asked, or nothing may be shown), OpenBao's, or that of the certificate that came back. A
 * connection that broke, such as a kept-alive one that the server closed at that moment, and a token that was over and of which the
 * credential has another now, are worth one more issuance, with a record of its own; a node that can't serve, or does not in its share of
 * the time, is worth one at each other address. Where a quota of OpenBao's stands in the way that ends in time, it waits for that.
 */
export async function mint(d: MintDependencies, r: MintRequest): Promise<Minted> {
  d.pause.check();
  return d.queue.run(() => mintInTime(d, r));
}

async function mintInTime(d: MintDependencies, r: MintRequest): Promise<Minted> {
  // OpenBao may have failed those before, while this one waited.
  d.pause.check();
  r.check?.();
  const started = performance.now();
  const left = () => r.ask.deadlineMs - (performance.now() - started);
  const { r: passed, policy } = await passGate(d, r, left());
  const others = d.addresses - 1;
  let wasLimited = false;
  for (let more = Math.max(1, others); ; more--) {
    const limit = d.quotas.limit(r.ask.role);
    if (limit !== undefined) {
      if (limit.leftMs >= left()) throw limit.error;
      await sleep(limit.leftMs);
      r.check?.();
    }
    // A node that takes the connection and never answers must leave time for the others.
    const end = others === 0 ? 0 : left() - left() / (Math.max(0, Math.min(more, others)) + 1);
    try {
      return await mintOnce(d, passed, policy, () => left() - end);
    } catch (thrown) {
      const error = asWardenError(thrown);
      const again = WORTH_ANOTHER.has(error.code) || (others > 0 && WORTH_ANOTHER_NODE.has(error.code));
      if (again && more > 0 && left() > 0) continue;
      d.quotas.failed(r.ask.role, error);
      if (error.code === 'bao_rate_limited' && !wasLimited) {
        wasLimited = true;
        continue;
      }
      d.pause.failed(error);
      throw error;
    }
  }
}
