/**
 * What does not add up between the sources. Each rule is a sentence of docs/activity.md; its name is stable.
 * Left out: `warden sign` and `issue` certificates that nobody was seen to use (a tool may renew without need, and the host may be one
 * whose log is not read), more logins than one with them (they are for that); hosts whose logs are missing: what is not read can't be missed.
 */
import { type Issuance, isForFile } from './issuances.ts';
import type { Joins, Login, Story } from './joins.ts';
import type { Seen } from './seen.ts';

export const ANOMALIES = {
  unexplained_certificate: 'OpenBao signed a certificate of which no trail knows',
  unexplained_login: 'a certificate of this CA logged in, and no issuance explains it',
  orphan_intent: 'OpenBao was asked, and no result was written',
  unused_certificate: 'a certificate that nobody logged in with',
  second_login: 'more logins with a certificate than its agent has signed',
  outside_validity: 'a login at a time at which the certificate was not valid',
  clock_off: 'the clock of a source is not this machine’s',
} as const;
export type AnomalyName = keyof typeof ANOMALIES;

export interface Anomaly {
  readonly name: AnomalyName;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** What happened, for a person; not safe for a terminal. */
  readonly detail: string;
  readonly issuance?: Issuance | undefined;
  readonly seen?: Seen | undefined;
}

/** Clocks that differ by no more are the same (design.md, "Time"). */
const SKEW_MS = 30_000;
/** Logs have whole seconds. */
const SECOND_MS = 1000;
/** An intent may still be waiting for its answer. */
const PENDING_MS = 60_000;

function timeOf(iso: string | undefined): number {
  return iso === undefined ? Number.NaN : Date.parse(iso);
}

/** `3 s`, `5 min`, `2 h`. */
function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** How far a source's clock is from the trail's, by its line about an issuance; 0 where it may be right. */
function skewOf(seen: Seen, issuance: Issuance): number {
  const began = Date.parse(issuance.ts);
  if (seen.kind === 'sign') {
    const ended = timeOf(issuance.ended);
    if (seen.at < began) return seen.at - began;
    return seen.at > ended ? seen.at - ended : 0;
  }
  if (seen.at + SECOND_MS < began) return seen.at - began;
  if (isForFile(issuance)) return 0;
  const nearest = issuance.used
    .map((used) => seen.at - Date.parse(used))
    .sort((a, b) => Math.abs(a) - Math.abs(b));
  return nearest[0] ?? 0;
}

/** The largest offset of each source whose clock is off. */
class Clocks {
  readonly #worst = new Map<string, { readonly seen: Seen; readonly off: number; readonly count: number }>();

  note(seen: Seen, issuance: Issuance): void {
    const off = skewOf(seen, issuance);
    if (Math.abs(off) <= SKEW_MS) return;
    const place = seen.kind === 'sign' ? seen.source : `${seen.source} ${seen.host}`;
    const worst = this.#worst.get(place);
    const count = (worst?.count ?? 0) + 1;
    this.#worst.set(
      place,
      worst !== undefined && Math.abs(worst.off) >= Math.abs(off)
        ? { ...worst, count }
        : { seen, off, count },
    );
  }

  *found(): Generator<Anomaly> {
    for (const { seen, off, count } of this.#worst.values()) {
      const lines = count === 1 ? 'one line' : `${count} lines, this the farthest`;
      const of = seen.kind === 'sign' ? seen.source : `${seen.host ?? 'a host'} (${seen.source})`;
      yield {
        name: 'clock_off',
        at: seen.at,
        detail: `${of} is ${span(Math.abs(off))} ${off < 0 ? 'behind' : 'ahead'}: ${lines}`,
        seen,
      };
    }
  }
}

function* ofLogins({ issuance, heard }: Story): Generator<Anomaly> {
  const logins: readonly Login[] = heard?.logins ?? [];
  const from = timeOf(issuance.cert?.valid_after);
  const until = timeOf(issuance.cert?.valid_before);
  for (const { seen } of logins) {
    if (!(seen.at + SECOND_MS < from || seen.at - SECOND_MS > until)) continue;
    const side = seen.at < from ? `${span(from - seen.at)} before` : `${span(seen.at - until)} after`;
    yield {
      name: 'outside_validity',
      at: seen.at,
      issuance,
      seen,
      detail: `the login is ${side} its validity`,
    };
  }
  if (isForFile(issuance) || logins.length <= issuance.used.length) return;
  const last = logins.at(-1)?.seen;
  if (last === undefined) return;
  yield {
    name: 'second_login',
    at: last.at,
    issuance,
    seen: last,
    detail: `${logins.length} logins, ${issuance.used.length} signed`,
  };
}

function ofIssuance({ issuance, heard }: Story, now: number): Anomaly | undefined {
  const at = Date.parse(issuance.ts);
  if (issuance.state === 'orphan') {
    if (now - at < PENDING_MS) return undefined;
    const signed = heard?.signed[0];
    const detail =
      signed === undefined
        ? 'OpenBao may have signed'
        : `OpenBao signed at ${new Date(signed.at).toISOString()}, request ${signed.request_id}`;
    return { name: 'orphan_intent', at, issuance, seen: signed, detail };
  }
  const over =
    issuance.state === 'expired' ||
    (issuance.state === 'issued' && timeOf(issuance.cert?.valid_before) < now);
  if (!over || isForFile(issuance) || (heard?.logins.length ?? 0) > 0) return undefined;
  const refused = heard?.attempts[0];
  const why = refused === undefined ? 'it was dropped unsigned' : `sshd refused it: ${refused.message}`;
  return { name: 'unused_certificate', at, issuance, seen: refused, detail: why };
}

/** Everything that does not add up in the window (milliseconds since the epoch), oldest first. */
export function findAnomalies(
  joins: Joins,
  window: { since: number; until: number; now: number },
): Anomaly[] {
  const within = (at: number) => at >= window.since && at <= window.until;
  const found: Anomaly[] = [];
  const clocks = new Clocks();
  for (const story of joins.stories()) {
    const { issuance, heard } = story;
    const own = ofIssuance(story, window.now);
    if (own !== undefined) found.push(own);
    if (heard === undefined) continue;
    found.push(...ofLogins(story));
    for (const seen of heard.signed) clocks.note(seen, issuance);
    for (const { seen } of heard.logins) clocks.note(seen, issuance);
  }
  for (const { seen } of joins.unexplained) {
    const name = seen.kind === 'sign' ? 'unexplained_certificate' : 'unexplained_login';
    const what =
      seen.kind === 'sign'
        ? `role ${seen.role}, for ${seen.actor ?? 'somebody'}, request ${seen.request_id}`
        : `key id ${seen.key_id}, from ${seen.from}`;
    found.push({ name, at: seen.at, seen, detail: what });
  }
  found.push(...clocks.found());
  return found.filter(({ at }) => within(at)).sort((a, b) => a.at - b.at);
}
