/** The timeline of one issuance: every record and line about it, in order of time. */
import { readRecords } from '../trail/read.ts';
import type { TrailRecord } from '../trail/record.ts';
import type { Anomaly } from './anomalies.ts';
import type { Story } from './joins.ts';
import { lasting } from './rows.ts';
import type { Seen } from './seen.ts';

export interface Moment {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly source: string;
  /** For people; not safe for a terminal. */
  readonly what: string;
}

const words = (...parts: readonly (string | undefined)[]) =>
  parts.filter((part) => part !== undefined).join(' ');

function recordText({
  event,
  outcome,
  error_code,
  host,
  target,
  lane,
  cert,
  bao,
  message,
  via,
}: TrailRecord): string {
  const options = cert?.principals === undefined ? undefined : `for ${cert.principals.join(',')}`;
  return words(
    event,
    outcome,
    error_code,
    target === undefined ? undefined : `as ${target}`,
    host === undefined ? undefined : `on ${host}`,
    via === undefined ? undefined : `through ${via.join(',')}`,
    lane === undefined ? undefined : `by ${lane}`,
    options,
    cert?.serial === undefined ? undefined : `serial ${cert.serial}`,
    cert?.valid_before === undefined ? undefined : `until ${cert.valid_before}`,
    bao?.role === undefined ? undefined : `role ${bao.role}`,
    bao?.request_id === undefined ? undefined : `request ${bao.request_id}`,
    message,
  );
}

/** What a line of another source says, in words. */
export function seenText(seen: Seen): string {
  const { kind, outcome, target, host, from, role, actor, request_id, serial, decision_id, id, message } =
    seen;
  const ids = words(
    serial === undefined ? undefined : `serial ${serial}`,
    request_id === undefined ? undefined : `request ${request_id}`,
    decision_id === undefined ? undefined : `decision ${decision_id}`,
    id === undefined ? undefined : `id ${id}`,
  );
  return words(
    kind,
    outcome,
    target === undefined ? undefined : `as ${target}`,
    host === undefined ? undefined : `on ${host}`,
    from === undefined ? undefined : `from ${from}`,
    role === undefined ? undefined : `role ${role}`,
    actor === undefined ? undefined : `for ${actor}`,
    ids === '' ? undefined : ids,
    message,
  );
}

/** Reads the issuance's records once more from the trails. Throws as `readRecords`. */
export async function timelineOf(
  { issuance, heard }: Story,
  anomalies: readonly Anomaly[],
  trails: readonly string[],
): Promise<Moment[]> {
  const moments: Moment[] = [];
  for (const directory of trails)
    await readRecords(directory, Date.parse(issuance.ts), (record) => {
      if (record.corr !== issuance.corr) return;
      moments.push({ at: Date.parse(record.ts), source: 'trail', what: recordText(record) });
    });
  const { signed = [], attempts = [], decisions = [], leases = [], logins = [] } = heard ?? {};
  for (const seen of [...signed, ...attempts, ...decisions, ...leases])
    moments.push({ at: seen.at, source: seen.source, what: seenText(seen) });
  for (const { seen, ended } of logins) {
    moments.push({ at: seen.at, source: seen.source, what: seenText(seen) });
    if (ended === undefined) continue;
    moments.push({ at: ended, source: seen.source, what: `session over after ${lasting(ended - seen.at)}` });
  }
  for (const { at, name, detail } of anomalies)
    moments.push({ at, source: 'does not add up', what: `${name}: ${detail}` });
  return moments.sort((a, b) => a.at - b.at);
}
