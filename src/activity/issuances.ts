/**
 * Joins the trail's records into issuances: intent, result, and what became of the certificate, by their `corr`.
 * Left out: other sources (OpenBao's audit log, sshd's) and anomalies.
 */
import { readRecords } from '../trail/read.ts';
import type { TrailRecord } from '../trail/record.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Issuances that are kept while reading; beyond it the oldest are dropped and counted. */
const MAX_ISSUANCES = 100_000;

/**
 * What became of it: `issued` (a certificate, nothing heard of it yet), `used`, `expired` (dropped unsigned), `denied` and
 * `error` (no certificate), `orphan` (an intent without a result: the request may have reached OpenBao).
 */
export type IssuanceState = 'issued' | 'used' | 'expired' | 'denied' | 'error' | 'orphan';

export interface Issuance {
  readonly corr: string;
  /** ISO 8601, UTC: when the first record of it was written. */
  readonly ts: string;
  readonly state: IssuanceState;
  readonly error_code: string | undefined;
  /** What went wrong; else what the person said it is for. */
  readonly message: string | undefined;
  readonly actor: TrailRecord['actor'];
  readonly caller: TrailRecord['caller'];
  readonly host: string | undefined;
  /** The login name, where it is known. */
  readonly target: string | undefined;
  readonly lane: string | undefined;
  readonly source: string | undefined;
  /** Nothing proved where the certificate is used: `warden sign`, `warden issue`, destination sockets. */
  readonly unbound: true | undefined;
  readonly cert: TrailRecord['cert'];
  readonly bao: TrailRecord['bao'];
  /** What the gate said of it. */
  readonly policy: TrailRecord['policy'];
  /** When it signed each login; more than one with `reuse`. */
  readonly used: readonly string[];
}

export interface IssuanceFilter {
  /** Only what began in the last so many days; default 7. */
  readonly days?: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly host?: string | undefined;
  /** The actor's id. */
  readonly actor?: string | undefined;
  readonly state?: IssuanceState | undefined;
}

export interface IssuanceList {
  /** Oldest first. */
  readonly issuances: readonly Issuance[];
  /** Lines of the trail that were not records: `warden audit verify` says what is wrong. */
  readonly skipped: number;
  /** Older issuances that there was no room for. */
  readonly dropped: number;
}

/** The first record of an issuance, as it stands before its result is known. */
function begin(record: TrailRecord, corr: string): Issuance {
  const { ts, actor, caller, host, target, lane, source, unbound, message, bao, policy } = record;
  const known = { corr, ts, actor, caller, host, target, lane, source, unbound, message, bao, policy };
  return { ...known, state: 'orphan', error_code: undefined, cert: undefined, used: [] };
}

/** An issuance after one more of its records. */
function follow(before: Issuance, record: TrailRecord): Issuance {
  const after = { ...before, target: record.target ?? before.target };
  switch (record.event) {
    case 'cert.used':
      return { ...after, state: 'used', used: [...before.used, record.ts] };
    case 'cert.expired':
      return { ...after, state: before.state === 'used' ? 'used' : 'expired' };
    case 'cert.issued':
    case 'cert.refused':
      return {
        ...after,
        state: record.outcome === 'ok' ? 'issued' : (record.outcome ?? 'error'),
        error_code: record.error_code,
        message: record.message ?? before.message,
        cert: record.cert,
        bao: { ...before.bao, ...record.bao },
      };
    default:
      return after;
  }
}

/**
 * The issuances of the trail in `directory` (`<state_dir>/audit`) that the filter lets through; none if there is no trail.
 * What an issuance began before the window is left out whole. Throws `trail_unwritable` when the trail can't be read.
 */
export async function listIssuances(directory: string, filter: IssuanceFilter): Promise<IssuanceList> {
  const found = new Map<string, Issuance>();
  let dropped = 0;
  const since = Math.max(0, filter.now - (filter.days ?? 7) * DAY_MS);
  const { skipped } = await readRecords(directory, since, (record) => {
    const { corr } = record;
    if (corr === undefined) return;
    const before = found.get(corr);
    if (before !== undefined) {
      found.set(corr, follow(before, record));
      return;
    }
    if (record.event !== 'cert.intent') return;
    if (filter.host !== undefined && record.host !== filter.host) return;
    if (filter.actor !== undefined && record.actor?.id !== filter.actor) return;
    found.set(corr, begin(record, corr));
    if (found.size <= MAX_ISSUANCES) return;
    for (const oldest of found.keys()) {
      found.delete(oldest);
      dropped += 1;
      break;
    }
  });
  const wanted = [...found.values()].filter(
    ({ state }) => filter.state === undefined || state === filter.state,
  );
  return { issuances: wanted, skipped, dropped };
}
