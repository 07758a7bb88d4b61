/**
 * Reads all sources over a window and joins them. The trail comes first, then the others; where they tell of certificates that the
 * window's records don't explain, older records are read, as far back as a certificate can live. Left out: following (follow.ts).
 */
import { existsSync } from 'node:fs';
import { TTL_CAP_SECONDS } from '../inventory/actor.ts';
import { logParts, type ReadEnd, SLACK_MS } from '../system/log-file.ts';
import { readRecords } from '../trail/read.ts';
import type { TrailRecord } from '../trail/record.ts';
import { Joins } from './joins.ts';
import { type ReadReport, readSource } from './read-source.ts';
import type { Seen } from './seen.ts';
import type { Source } from './sources/source.ts';

/** What may come after the window and still belong to what began in it. */
const AFTER_MS = 3_600_000;
/** How far back a certificate that explains something is looked for: first nearby, then as far as one can live. */
const BACK_MS = [600_000, TTL_CAP_SECONDS.adm * 1000];

export interface ViewInput {
  /** `<state_dir>/audit`, and those of other machines. */
  readonly trail: string;
  readonly otherTrails: readonly string[];
  readonly sources: readonly Source[];
  readonly cas: readonly string[];
  /** What is in no file, read already. */
  readonly told?: { readonly report: ReadReport; readonly seen: readonly Seen[] } | undefined;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** Told how many bytes more of a source are done, and how many there are in all. */
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/** Where reading ended, for who goes on from there. */
export interface ReadEnds {
  readonly files: Map<string, ReadEnd>;
  /** The last record of each trail, by its directory. */
  readonly records: Map<string, TrailRecord>;
}

export interface View {
  readonly ends: ReadEnds;
  readonly joins: Joins;
  readonly reports: readonly ReadReport[];
}

async function readTrail(
  directory: string,
  own: boolean,
  since: number,
  until: number,
  take: (record: TrailRecord) => void,
  onProgress?: (done: number, total: number) => void,
): Promise<ReadReport> {
  // Times of one form compare as text.
  const end = new Date(until).toISOString();
  const farBehind = new Date(until + SLACK_MS).toISOString();
  let last: string | undefined;
  const { skipped } = await readRecords(
    directory,
    since,
    (record) => {
      if (record.ts >= end) return record.ts < farBehind;
      last = record.ts;
      take(record);
      return true;
    },
    onProgress,
  );
  return {
    name: own ? 'trail' : `trail ${directory}`,
    trust: own ? 'verified' : 'unverified',
    until: last === undefined ? undefined : Date.parse(last),
    broken: skipped,
    problem: undefined,
  };
}

/** How many bytes of logs there are to read, for the bar: what can't be told now, reading will say. */
function bytesOf(sources: readonly Source[], since: number): number {
  let all = 0;
  for (const { place } of sources) {
    if (!('path' in place) || !existsSync(place.path)) continue;
    for (const { size, compressed } of logParts(place.path, since)) if (compressed === undefined) all += size;
  }
  return all;
}

/** Reads and joins. Throws `trail_unwritable` where a trail can't be read; another source that can't be is reported. */
export async function readView(input: ViewInput): Promise<View> {
  const { since } = input;
  const until = input.until + AFTER_MS;
  const joins = new Joins(input.cas);
  const trails = [input.trail, ...input.otherTrails];
  const reports: ReadReport[] = [];
  const ends: ReadEnds = { files: new Map(), records: new Map() };
  const ofLogs = bytesOf(input.sources, since);
  let ofTrails = 0;
  for (const directory of trails) {
    const take = (record: TrailRecord) => {
      joins.record(record);
      ends.records.set(directory, record);
    };
    let total = 0;
    const onProgress = (done: number, all: number) => {
      total = all;
      input.onProgress?.(ofTrails + done, ofTrails + all + ofLogs);
    };
    reports.push(await readTrail(directory, directory === input.trail, since, until, take, onProgress));
    ofTrails += total;
  }
  let done = ofTrails;
  const onBytes = (count: number) => {
    done += count;
    input.onProgress?.(done, ofTrails + ofLogs);
  };
  for (const source of input.sources) {
    const { report, end } = await readSource(source, { since, until, onBytes }, (seen) => joins.see(seen));
    reports.push(report);
    if (end !== undefined && 'path' in source.place) ends.files.set(source.place.path, end);
  }
  for (const seen of input.told?.seen ?? []) joins.see(seen);
  if (input.told !== undefined) reports.push(input.told.report);
  await lookBack(joins, trails, since);
  joins.finish();
  return { joins, reports, ends };
}

/** Reads older records while something is unexplained: first those from shortly before, then all that can matter. */
async function lookBack(joins: Joins, trails: readonly string[], since: number): Promise<void> {
  let read = since;
  for (const back of BACK_MS) {
    if (joins.unexplained.length === 0 || read <= 0) return;
    const from = Math.max(0, since - back);
    for (const directory of trails)
      await readTrail(directory, true, from, read, (record) => joins.record(record));
    joins.again();
    read = from;
  }
}
