/**
 * One story for each issuance, out of all sources: the trail's records by `corr`; OpenBao's answer by request id, else serial or key; the
 * login by serial, and key id and key wherever sshd shows them, else by key alone (an agent's key is made for one certificate); the
 * session's end by address and port; a policy's decision and a broker's lease by whatever id they share. Nothing is matched by what a
 * client could choose: a line that names an issuance's serial with another key or another CA is no login of it.
 * Left out: verdicts (anomalies.ts), rows (rows.ts).
 */
import type { TrailRecord } from '../trail/record.ts';
import { type Issuance, IssuanceBook } from './issuances.ts';
import type { Seen } from './seen.ts';

/** How long OpenBao's answer may take after an intent whose result is missing, as an agent's deadline has it. */
const ORPHAN_MS = 30_000;
const PLAIN_ID = /^[\w.:@-]+$/;
/** How far a line of signatures.log may be from OpenBao's for the same certificate. */
const PAST_MS = 10_000;
/** The longest that an ops-warden certificate lives. */
const PAST_LIFE_MS = 48 * 3600 * 1000;

export interface Login {
  readonly seen: Seen;
  /** When the session was over; undefined where nothing says so. */
  ended: number | undefined;
}

/** What other sources say of an issuance. */
export interface Heard {
  signed: Seen[];
  logins: Login[];
  attempts: Seen[];
  decisions: Seen[];
  leases: Seen[];
}

/** Most issuances hear nothing from most sources: that is one array for all, never written to. */
const NOTHING: never[] = [];

function and<T>(list: T[], one: T): T[] {
  if (list.length === 0) return [one];
  list.push(one);
  return list;
}

export interface Story {
  readonly issuance: Issuance;
  readonly heard: Heard | undefined;
}

export class Joins {
  readonly #book = new IssuanceBook();
  readonly #heard = new Map<string, Heard>();
  readonly #cas: Set<string>;
  /** Ids of all kinds to `corr`: none of them looks like another. */
  readonly #ids = new Map<string, string>();
  readonly #sessions = new Map<string, Login>();
  readonly #later: Seen[] = [];
  readonly #past: Seen[] = [];
  /** Requests that nothing explains: two audit devices tell of the same. */
  readonly #strange = new Set<string>();
  #unexplained: Login[] = [];
  /** Records of issuances whose beginning was not read. */
  #loose: TrailRecord[] = [];
  #orphans: readonly Issuance[] | undefined;
  /** Records and lines that are about no issuance. */
  readonly records: TrailRecord[] = [];
  readonly others: Login[] = [];

  /** `cas`: fingerprints of the CAs whose certificates an issuance must explain, beside those that the trail names. */
  constructor(cas: Iterable<string>) {
    this.#cas = new Set(cas);
  }

  /** Takes a record of a trail; all trails come before all other sources. */
  record(record: TrailRecord): void {
    this.#orphans = undefined;
    const issuance = this.#book.add(record);
    if (issuance === undefined) {
      if (record.corr !== undefined && record.event.startsWith('cert.')) this.#loose.push(record);
      else if (!record.event.startsWith('trail.')) this.records.push(record);
      return;
    }
    const { corr } = issuance;
    const { cert, bao, policy } = record;
    if (policy?.decision_id !== undefined) this.#ids.set(policy.decision_id, corr);
    if (bao?.request_id !== undefined) this.#ids.set(bao.request_id, corr);
    if (cert?.serial !== undefined) this.#ids.set(cert.serial, corr);
    if (cert?.fp !== undefined && record.event === 'cert.intent') this.#ids.set(cert.fp, corr);
    if (cert?.ca_fp !== undefined) this.#cas.add(cert.ca_fp);
  }

  /** Takes a line of another source. Returns the issuance that it is about, where that is known already. */
  see(seen: Seen): string | undefined {
    switch (seen.kind) {
      case 'sign':
        return this.#sign(seen);
      case 'login': {
        const login: Login = { seen, ended: undefined };
        this.#sessions.set(`${seen.source} ${seen.from}`, login);
        return this.#login(login);
      }
      case 'attempt':
        return this.#attempt(seen);
      case 'end':
        return this.#end(seen);
      case 'decision':
      case 'lease':
        // They may name what only OpenBao's lines tie to an issuance.
        this.#later.push(seen);
        return this.#issuanceOf(seen);
      case 'past':
        this.#past.push(seen);
        break;
      default:
    }
    this.others.push({ seen, ended: undefined });
    return undefined;
  }

  /** Tries once more what nothing explained, after older records were read. */
  again(): void {
    const [open, loose] = [this.#unexplained, this.#loose];
    this.#unexplained = [];
    this.#loose = [];
    this.#strange.clear();
    for (const record of loose) this.record(record);
    for (const login of open) {
      if (login.seen.kind === 'sign') this.#sign(login.seen);
      else this.#login(login);
    }
  }

  /** Signatures and logins that no issuance explains so far. */
  get unexplained(): readonly Login[] {
    return this.#unexplained;
  }

  /** After the last line: what was put off. */
  finish(): void {
    const byToken = new Map<string, Seen>();
    for (const seen of this.#later) {
      const corr = this.#issuanceOf(seen);
      if (seen.kind === 'lease' && seen.accessor !== undefined) byToken.set(seen.accessor, seen);
      if (corr === undefined) this.others.push({ seen, ended: undefined });
      else {
        const heard = this.#of(corr);
        if (seen.kind === 'lease') heard.leases = and(heard.leases, seen);
        else heard.decisions = and(heard.decisions, seen);
      }
      if (corr !== undefined && seen.decision_id !== undefined) this.#ids.set(seen.decision_id, corr);
    }
    this.#later.length = 0;
    // A broker's lease is a token: every certificate that was asked for with it.
    if (byToken.size > 0)
      for (const heard of this.#heard.values()) {
        const lease = byToken.get(heard.signed[0]?.accessor ?? '');
        if (lease !== undefined && !heard.leases.includes(lease)) heard.leases = and(heard.leases, lease);
      }
    this.#unexplained = this.#unexplained.filter(({ seen }) => !this.#explainedByPast(seen));
  }

  *stories(): Generator<Story> {
    for (const issuance of this.#book.values()) yield { issuance, heard: this.#heard.get(issuance.corr) };
  }

  #find(...ids: readonly (string | undefined)[]): string | undefined {
    for (const id of ids) {
      const corr = id === undefined ? undefined : this.#ids.get(id);
      if (corr !== undefined) return corr;
    }
    return undefined;
  }

  #issuanceOf({ request_id, serial, fp, decision_id }: Seen): string | undefined {
    return this.#find(request_id, serial, fp, decision_id);
  }

  #of(corr: string): Heard {
    const known = this.#heard.get(corr);
    if (known !== undefined) return known;
    const made: Heard = {
      signed: NOTHING,
      logins: NOTHING,
      attempts: NOTHING,
      decisions: NOTHING,
      leases: NOTHING,
    };
    this.#heard.set(corr, made);
    return made;
  }

  #sign(seen: Seen): string | undefined {
    const corr = this.#find(seen.request_id, seen.serial, seen.fp) ?? this.#orphanOf(seen);
    if (corr !== undefined) {
      const heard = this.#of(corr);
      heard.signed = and(heard.signed, seen);
      for (const id of [seen.serial, seen.request_id]) if (id !== undefined) this.#ids.set(id, corr);
      return corr;
    }
    if (seen.outcome !== 'ok' || this.#strange.has(seen.request_id ?? '')) return undefined;
    if (seen.request_id !== undefined) this.#strange.add(seen.request_id);
    this.#unexplained.push({ seen, ended: undefined });
    return undefined;
  }

  /** An intent without a result, for that role, at that time, of which nothing else was heard. */
  #orphanOf(seen: Seen): string | undefined {
    if (seen.outcome !== 'ok') return undefined;
    this.#orphans ??= [...this.#book.values()].filter(({ state }) => state === 'orphan');
    return this.#orphans.find(
      ({ corr, ts, bao }) =>
        bao?.role === seen.role && !this.#heard.has(corr) && Math.abs(seen.at - Date.parse(ts)) <= ORPHAN_MS,
    )?.corr;
  }

  #certificate(seen: Seen): string | undefined {
    const corr = this.#find(seen.serial === '0' ? undefined : seen.serial, seen.fp);
    const cert = corr === undefined ? undefined : this.#book.get(corr)?.cert;
    if (cert === undefined) return undefined;
    const same = (a: string | undefined, b: string | undefined) =>
      a === undefined || b === undefined || a === b;
    const { key_id } = cert;
    // syslog has other characters than these in another writing.
    const named = key_id !== undefined && PLAIN_ID.test(key_id) ? key_id : undefined;
    return same(cert.serial, seen.serial) &&
      same(cert.fp, seen.fp) &&
      same(cert.ca_fp, seen.ca_fp) &&
      same(named, seen.key_id)
      ? corr
      : undefined;
  }

  #login(login: Login): string | undefined {
    const { seen } = login;
    const corr = seen.serial === undefined ? undefined : this.#certificate(seen);
    if (corr !== undefined) {
      const heard = this.#of(corr);
      heard.logins = and(heard.logins, login);
    } else if (seen.ca_fp !== undefined && this.#cas.has(seen.ca_fp)) this.#unexplained.push(login);
    else this.others.push(login);
    return corr;
  }

  #attempt(seen: Seen): string | undefined {
    const corr = seen.serial === undefined ? undefined : this.#certificate(seen);
    if (corr !== undefined) {
      const heard = this.#of(corr);
      heard.attempts = and(heard.attempts, seen);
    } else this.others.push({ seen, ended: undefined });
    return corr;
  }

  #end(seen: Seen): string | undefined {
    const key = `${seen.source} ${seen.from}`;
    const login = this.#sessions.get(key);
    if (login === undefined) return undefined;
    login.ended = seen.at;
    this.#sessions.delete(key);
    return login.seen.serial === undefined ? undefined : this.#certificate(login.seen);
  }

  /** ops-warden's own line for it. */
  #explainedByPast(seen: Seen): boolean {
    return this.#past.some(({ at, key_id, actor }) =>
      seen.kind === 'sign'
        ? Math.abs(at - seen.at) <= PAST_MS
        : seen.key_id === (key_id ?? actor) && seen.at >= at - PAST_MS && seen.at <= at + PAST_LIFE_MS,
    );
  }
}
