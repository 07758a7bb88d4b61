/**
 * Joins the trail's records into issuances: intent, result, and what became of the certificate, by their `corr`.
 * Left out: what other sources say of them (joins.ts).
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
  /** When its result was written. */
  readonly ended: string | undefined;
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

/** Each record changes its issuance in place: a copy for each costs more than reading the record. */
type Draft = { -readonly [Key in keyof Issuance]: Issuance[Key] };

const UNUSED: readonly string[] = [];

/** The first record of an issuance, as it stands before its result is known. */
function begin(record: TrailRecord, corr: string): Draft {
  const { ts, actor, caller, host, target, lane, source, unbound, message, bao, policy } = record;
  return {
    corr,
    ts,
    state: 'orphan',
    error_code: undefined,
    message,
    actor,
    caller,
    host,
    target,
    lane,
    source,
    unbound,
    cert: undefined,
    bao,
    policy,
    used: UNUSED,
    ended: undefined,
  };
}

/** An issuance after one more of its records. */
function follow(issuance: Draft, record: TrailRecord): void {
  issuance.target = record.target ?? issuance.target;
  switch (record.event) {
    case 'cert.used':
      issuance.state = 'used';
      issuance.used = [...issuance.used, record.ts];
      return;
    case 'cert.expired':
      if (issuance.state !== 'used') issuance.state = 'expired';
      return;
    case 'cert.issued':
    case 'cert.refused':
      issuance.state = record.outcome === 'ok' ? 'issued' : (record.outcome ?? 'error');
      issuance.error_code = record.error_code;
      issuance.message = record.message ?? issuance.message;
      issuance.cert = record.cert;
      issuance.bao = record.bao ?? issuance.bao;
      issuance.ended = record.ts;
  }
}

/** A certificate for a file (`warden sign`, `warden issue`): it can be used anywhere and often, and the agent never sees it again. */
export function isForFile({ unbound, lane }: Issuance): boolean {
  return unbound === true && lane === undefined;
}

/** Issuances as their records come, oldest first. */
export class IssuanceBook {
  readonly #found = new Map<string, Draft>();
  readonly #limit: number;
  #dropped = 0;

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  /** The issuance that the record belongs to, as it is now; undefined for a record of none, or of one whose beginning was not read. */
  add(record: TrailRecord): Issuance | undefined {
    const { corr } = record;
    if (corr === undefined) return undefined;
    const known = this.#found.get(corr);
    if (known !== undefined) {
      follow(known, record);
      return known;
    }
    if (record.event !== 'cert.intent') return undefined;
    const begun = begin(record, corr);
    this.#found.set(corr, begun);
    if (this.#found.size > this.#limit) this.#dropOldest();
    return begun;
  }

  #dropOldest(): void {
    for (const oldest of this.#found.keys()) {
      this.#found.delete(oldest);
      this.#dropped += 1;
      return;
    }
  }

  get(corr: string): Issuance | undefined {
    return this.#found.get(corr);
  }

  values(): IterableIterator<Issuance> {
    return this.#found.values();
  }

  /** How many there was no room for. */
  get dropped(): number {
    return this.#dropped;
  }
}

/**
 * The issuances of the trail in `directory` (`<state_dir>/audit`) that the filter lets through; none if there is no trail.
 * What an issuance began before the window is left out whole. Throws `trail_unwritable` when the trail can't be read.
 */
export async function listIssuances(directory: string, filter: IssuanceFilter): Promise<IssuanceList> {
  const book = new IssuanceBook(MAX_ISSUANCES);
  const since = Math.max(0, filter.now - (filter.days ?? 7) * DAY_MS);
  const { skipped } = await readRecords(directory, since, (record) => {
    if (record.event === 'cert.intent') {
      if (filter.host !== undefined && record.host !== filter.host) return;
      if (filter.actor !== undefined && record.actor?.id !== filter.actor) return;
    }
    book.add(record);
  });
  const wanted = [...book.values()].filter(
    ({ state }) => filter.state === undefined || state === filter.state,
  );
  return { issuances: wanted, skipped, dropped: book.dropped };
}
