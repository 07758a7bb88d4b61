/** Rows of the view: one for each issuance with all that is known of it, one for each line that belongs to none, one for what does not add up. */
import type { TrailRecord } from '../trail/record.ts';
import type { Anomaly } from './anomalies.ts';
import type { Happening } from './follow.ts';
import type { Issuance, IssuanceState } from './issuances.ts';
import type { Heard, Joins, Login, Story } from './joins.ts';
import type { Seen, SeenKind } from './seen.ts';

export const ROW_KINDS = [
  'sign',
  'login',
  'attempt',
  'refusal',
  'access',
  'lease',
  'policy',
  'worker',
  'hub',
  'daemon',
  'anomaly',
] as const;
export type RowKind = (typeof ROW_KINDS)[number];
/** Shown only when asked for: anybody on the network makes attempts. */
export const QUIET_KINDS: ReadonlySet<RowKind> = new Set(['attempt', 'daemon']);

export const OUTCOMES = ['ok', 'denied', 'error'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface Row {
  readonly kind: RowKind;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly state: string;
  readonly outcome: Outcome;
  readonly actor: string | undefined;
  readonly target: string | undefined;
  readonly host: string | undefined;
  readonly lane: string | undefined;
  readonly serial: string | undefined;
  readonly fp: string | undefined;
  /** For people; not safe for a terminal. */
  readonly detail: string;
  /** Every name by which it can be asked for. */
  readonly ids: readonly (string | undefined)[];
  /** Everything, for programs. */
  whole(): Readonly<Record<string, unknown>>;
}

const OUTCOME_OF: Readonly<Record<IssuanceState, Outcome>> = {
  issued: 'ok',
  used: 'ok',
  expired: 'ok',
  denied: 'denied',
  error: 'error',
  orphan: 'error',
};

const iso = (at: number) => new Date(at).toISOString();

/** How long a session was, as a person reads it: `12s`, `4m12s`, `3h05m`. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
}

function loginText({ seen, ended }: Login): string {
  const end = ended === undefined ? '' : `, ${lasting(ended - seen.at)}`;
  return `login as ${seen.target} on ${seen.host ?? '?'} from ${seen.from}${end}`;
}

function storyText(issuance: Issuance, heard: Heard | undefined): string {
  const { state, error_code, message, cert } = issuance;
  if (state === 'orphan' && heard === undefined) return 'no result recorded: OpenBao may have signed';
  if (error_code !== undefined) return message === undefined ? error_code : `${error_code}: ${message}`;
  const parts: string[] = [];
  const [login, ...more] = heard?.logins ?? [];
  if (login !== undefined) parts.push(loginText(login));
  if (more.length > 0) parts.push(`${more.length} more logins`);
  const refused = heard?.attempts.at(-1);
  if (refused !== undefined) parts.push(`sshd refused it: ${refused.message}`);
  const signed = heard?.signed[0];
  if (signed !== undefined) parts.push(`signed for ${signed.actor ?? '?'}`);
  if (issuance.policy?.decision_id !== undefined) parts.push(`allowed by ${issuance.policy.decision_id}`);
  for (const { id } of heard?.leases.slice(0, 1) ?? []) parts.push(`lease ${id ?? '?'}`);
  if (parts.length === 0) return cert?.key_id ?? '';
  return message === undefined ? parts.join('; ') : `${parts.join('; ')}; ${message}`;
}

const sessionOf = ({ seen, ended }: Login) => ({
  ...plain(seen),
  ended: ended === undefined ? undefined : iso(ended),
});

/** A line of another source, as JSON has it. */
export function plain({ at, ...rest }: Seen) {
  return { ts: iso(at), ...rest };
}

function signRow({ issuance, heard }: Story): Row {
  const { corr, cert, bao, policy } = issuance;
  return {
    kind: 'sign',
    at: Date.parse(issuance.ts),
    state: issuance.state,
    outcome: OUTCOME_OF[issuance.state],
    actor: issuance.actor?.id,
    target: issuance.target ?? heard?.logins[0]?.seen.target,
    host: issuance.host ?? heard?.logins[0]?.seen.host,
    lane: issuance.lane,
    serial: cert?.serial ?? heard?.signed[0]?.serial,
    fp: cert?.fp,
    detail: storyText(issuance, heard),
    ids: [
      corr,
      bao?.request_id,
      cert?.serial,
      cert?.fp,
      policy?.decision_id,
      ...(heard?.decisions ?? []).map((each) => each.decision_id),
    ],
    whole: () => ({
      kind: 'sign',
      ...issuance,
      outcome: OUTCOME_OF[issuance.state],
      signed: (heard?.signed ?? []).map(plain),
      logins: (heard?.logins ?? []).map(sessionOf),
      attempts: (heard?.attempts ?? []).map(plain),
      decisions: (heard?.decisions ?? []).map(plain),
      leases: (heard?.leases ?? []).map(plain),
    }),
  };
}

const SEEN_ROW: Readonly<Record<SeenKind, RowKind>> = {
  sign: 'sign',
  past: 'sign',
  login: 'login',
  attempt: 'attempt',
  end: 'login',
  decision: 'policy',
  lease: 'lease',
  access: 'access',
  worker: 'worker',
  hub: 'hub',
};

function seenRow(login: Login): Row {
  const { seen } = login;
  const kind = SEEN_ROW[seen.kind];
  const state = seen.kind === 'end' ? 'ended' : seen.outcome;
  const words = [seen.message, seen.key_id ?? seen.id, seen.decision_id, seen.from, seen.source];
  return {
    kind,
    at: seen.at,
    state,
    outcome: seen.outcome,
    actor: seen.actor,
    target: seen.target,
    host: seen.host,
    lane: seen.lane,
    serial: seen.serial,
    fp: seen.fp,
    detail: seen.kind === 'login' ? loginText(login) : words.filter((word) => word !== undefined).join(', '),
    ids: [seen.id, seen.request_id, seen.decision_id, seen.serial, seen.fp],
    whole: () => ({ ...sessionOf(login), kind, state }),
  };
}

const RECORD_ROW: Readonly<Record<string, RowKind>> = {
  agent: 'refusal',
  cert: 'sign',
  access: 'access',
  policy: 'policy',
  worker: 'worker',
  hub: 'hub',
};

function recordRow(record: TrailRecord): Row {
  // `warden sign` may refuse without an intent; a failed login to OpenBao is why others will be.
  const refused =
    record.phase === 'single' && (record.event === 'cert.refused' || record.event === 'login.failed');
  const kind = refused ? 'refusal' : (RECORD_ROW[record.event.split('.')[0] ?? ''] ?? 'daemon');
  const outcome = record.outcome ?? 'ok';
  const words = [record.event, record.error_code, record.message, record.caller?.exe];
  return {
    kind,
    at: Date.parse(record.ts),
    state: outcome,
    outcome,
    actor: record.actor?.id,
    target: record.target,
    host: record.host,
    lane: record.lane,
    serial: record.cert?.serial,
    fp: record.cert?.fp,
    detail: words.filter((word) => word !== undefined).join(': '),
    ids: [record.id, record.corr],
    whole: () => ({ kind, state: outcome, ...record }),
  };
}

function anomalyRow({ name, at, detail, issuance, seen }: Anomaly): Row {
  return {
    kind: 'anomaly',
    at,
    state: name,
    outcome: 'error',
    actor: issuance?.actor?.id ?? seen?.actor,
    target: seen?.target ?? issuance?.target,
    host: seen?.host ?? issuance?.host,
    lane: issuance?.lane,
    serial: issuance?.cert?.serial ?? seen?.serial,
    fp: issuance?.cert?.fp ?? seen?.fp,
    detail,
    ids: [
      issuance?.corr,
      seen?.request_id,
      issuance?.bao?.request_id,
      issuance?.cert?.serial,
      seen?.serial,
      seen?.fp,
    ],
    whole: () => ({
      kind: 'anomaly',
      ts: iso(at),
      state: name,
      outcome: 'error',
      message: detail,
      corr: issuance?.corr,
      issuance: issuance ?? null,
      seen: seen === undefined ? null : plain(seen),
    }),
  };
}

/** A row for what has just happened, as `--follow` prints it: by itself, not as part of a story. */
export function happeningRow(happening: Happening): Row {
  if ('anomaly' in happening) return anomalyRow(happening.anomaly);
  if ('record' in happening) return recordRow(happening.record);
  const { seen, corr } = happening;
  const row = seenRow({ seen, ended: undefined });
  if (corr === undefined) return row;
  return { ...row, ids: [...row.ids, corr], whole: () => ({ ...row.whole(), corr }) };
}

export interface RowFilter {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  readonly kinds?: ReadonlySet<string> | undefined;
  readonly actor?: string | undefined;
  readonly host?: string | undefined;
  readonly lane?: string | undefined;
  readonly outcome?: string | undefined;
  readonly serial?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly id?: string | undefined;
}

const same = (wanted: string | undefined, is: string | undefined) => wanted === undefined || wanted === is;

function wantsKind({ kinds }: Pick<RowFilter, 'kinds'>, kind: RowKind): boolean {
  return kinds === undefined ? !QUIET_KINDS.has(kind) : kinds.has(kind);
}

/** Whether a row is one of those that are asked for, whatever its time. */
export function wants(filter: Omit<RowFilter, 'since' | 'until'>, row: Row): boolean {
  const { id } = filter;
  return (
    wantsKind(filter, row.kind) &&
    same(filter.actor, row.actor) &&
    same(filter.host, row.host) &&
    same(filter.lane, row.lane) &&
    same(filter.outcome, row.outcome) &&
    same(filter.serial, row.serial) &&
    same(filter.fingerprint, row.fp) &&
    (id === undefined || row.ids.includes(id))
  );
}

/** The rows that the filter lets through, oldest first. An issuance counts at its beginning and at each of its logins. */
export function rowsOf(joins: Joins, anomalies: readonly Anomaly[], filter: RowFilter): Row[] {
  const within = (at: number) => at >= filter.since && at <= filter.until;
  const rows: Row[] = [];
  const offer = (row: Row) => {
    if (wants(filter, row)) rows.push(row);
  };
  if (wantsKind(filter, 'sign'))
    for (const story of joins.stories()) {
      const at = Date.parse(story.issuance.ts);
      if (within(at) || story.heard?.logins.some(({ seen }) => within(seen.at))) offer(signRow(story));
    }
  for (const record of joins.records) if (within(Date.parse(record.ts))) offer(recordRow(record));
  for (const login of [...joins.others, ...joins.unexplained.filter(({ seen }) => seen.kind === 'login')])
    if (within(login.seen.at)) offer(seenRow(login));
  for (const anomaly of anomalies) offer(anomalyRow(anomaly));
  return rows.sort((a, b) => a.at - b.at);
}
