/**
 * A mint, the way of every certificate that warden hands out (design.md, "The way of a login"): intent on disk, OpenBao asked,
 * the answer checked, result on disk, and only then the certificate is given to whoever asked (promise 3).
 * The agent brings the key; `warden sign` and `warden issue` will bring theirs.
 */
import type { Lane } from '../catalog/lane.ts';
import type { Credential } from '../credentials/credential.ts';
import { asWardenError, WardenError } from '../errors.ts';
import type { CaPins } from '../openbao/ca-pins.ts';
import type { Pause } from '../openbao/pause.ts';
import type { SignAnswer, SshEngine } from '../openbao/ssh-engine.ts';
import type { Certificate } from '../ssh/certificate.ts';
import { fingerprint } from '../ssh/public-key.ts';
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
  readonly queue: MintQueue;
  readonly mount: string;
  readonly keyId: 'none' | 'actor';
  /** Whose token it is, as OpenBao says; undefined until it was asked. */
  readonly identity: () => string | undefined;
  /** Told of each difference between this clock and OpenBao's, in milliseconds (positive: OpenBao's is ahead). */
  readonly onSkew: (ms: number) => void;
}

export interface MintRequest {
  readonly lane: Lane;
  /** The plain public key blob to certify. */
  readonly publicKey: Buffer;
  /** The proved name that chose the lane, and how it was proved. */
  readonly host: string;
  readonly source: string;
  /** The hosts that a forwarded login came through. */
  readonly via: readonly string[];
  /** The client has sent no bind. */
  readonly unbound: boolean;
  readonly caller: { readonly uid: number; readonly pid: number; readonly exe?: string };
}

export interface Minted extends CheckedCertificate {
  /** The correlation id that intent, result and use share. */
  readonly corr: string;
}

function isoSeconds(seconds: bigint): string {
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

async function askOpenBao(d: MintDependencies, r: MintRequest, deadlineMs: number): Promise<SignAnswer> {
  return d.engine.sign(await d.credential.token(), {
    role: r.lane.role,
    publicKey: `ssh-ed25519 ${r.publicKey.toString('base64')}`,
    principals: r.lane.principals,
    ttlSeconds: r.lane.ttlSeconds,
    extensions: r.lane.extensions,
    criticalOptions: r.lane.criticalOptions,
    keyId: d.keyId === 'actor' ? r.lane.actor.name : undefined,
    deadlineMs,
  });
}

/** `left` says how many milliseconds of the mint's deadline are left. */
async function mintOnce(d: MintDependencies, r: MintRequest, left: () => number): Promise<Minted> {
  const corr = ulid(d.clock.now());
  const { lane } = r;
  const common = {
    event: 'cert.mint' as const,
    corr,
    actor: { type: lane.actor.type, id: lane.actor.name },
    caller: r.caller,
    host: r.host,
    source: r.source,
    lane: lane.id,
    via: r.via,
    ...(r.unbound ? { unbound: true as const } : {}),
  };
  const bao = { mount: d.mount, role: lane.role, identity: d.identity() };
  await d.trail.append({
    ...common,
    phase: 'intent',
    cert: { fp: fingerprint(r.publicKey), principals: [...lane.principals] },
    bao,
  });
  let answer: SignAnswer | undefined;
  let checked: CheckedCertificate;
  try {
    const expectedCas = await d.pins.expected(left());
    if (left() <= 0)
      throw new WardenError(
        'bao_timeout',
        `the mint's ${lane.deadlineMs} ms are over before OpenBao was asked`,
        { hint: 'look at the disk under state_dir' },
      );
    answer = await askOpenBao(d, r, left());
    if (answer.serverTime !== undefined) d.onSkew(answer.serverTime - d.clock.now());
    const asked: Asked = {
      publicKey: r.publicKey,
      principals: lane.principals,
      ttlSeconds: lane.ttlSeconds,
      extensions: lane.extensions,
      criticalOptions: lane.criticalOptions,
      expectedCas,
      serverTime: answer.serverTime,
    };
    checked = checkCertificate(answer.signedKey, asked);
  } catch (thrown) {
    const error = asWardenError(thrown);
    await d.trail.append({
      ...common,
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
    phase: 'result',
    outcome: 'ok',
    cert: certRecord(checked.certificate),
    bao: { ...bao, request_id: answer.requestId, address: answer.address },
  });
  return { corr, ...checked };
}

/**
 * Mints one certificate within the lane's deadline, which begins when its turn has come. Throws WardenError: `mint_busy`, the trail's (nothing was asked, or nothing may be shown),
 * OpenBao's, or the check's. A connection that broke, such as a kept-alive one that the server closed at that moment, is worth one
 * more issuance, with a record of its own.
 */
export async function mint(d: MintDependencies, r: MintRequest): Promise<Minted> {
  d.pause.check();
  return d.queue.run(() => mintInTime(d, r));
}

async function mintInTime(d: MintDependencies, r: MintRequest): Promise<Minted> {
  // OpenBao may have failed those before, while this one waited.
  d.pause.check();
  const started = performance.now();
  const left = () => r.lane.deadlineMs - (performance.now() - started);
  try {
    return await mintOnce(d, r, left).catch((thrown: unknown) => {
      if (asWardenError(thrown).code !== 'bao_disconnected') throw thrown;
      return mintOnce(d, r, left);
    });
  } catch (thrown) {
    const error = asWardenError(thrown);
    d.pause.failed(error);
    throw error;
  }
}
