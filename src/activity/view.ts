/**
 * Reads all sources over a window and joins them. The trail comes first, then the others; where they tell of certificates that the
 * window's records don't explain, older records are read, as far back as a certificate can live. Left out: following (follow.ts).
 */
import { spawn } from 'node:child_process';
import { errnoOf } from '../errors.ts';
import { TTL_CAP_SECONDS } from '../inventory/actor.ts';
import {
  LineCutter,
  logParts,
  type ReadRange,
  readCompressedLog,
  readLog,
  SLACK_MS,
} from '../system/log-file.ts';
import { readRecords } from '../trail/read.ts';
import type { TrailRecord } from '../trail/record.ts';
import { Joins } from './joins.ts';
import type { Seen } from './seen.ts';
import type { LineReader, Source } from './sources/source.ts';

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
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** Told how many bytes more of a source are done, and how many there are in all. */
  readonly onProgress?: ((done: number, all: number) => void) | undefined;
}

/** What was read of a source. */
export interface ReadReport {
  readonly name: string;
  /** Warden's own chain, or another program's words. */
  readonly trust: 'verified' | 'unverified';
  /** The last line that was read, in milliseconds since the epoch; undefined where there was none in the window. */
  readonly until: number | undefined;
  /** Lines that are not of the log's form, or too long. */
  readonly broken: number;
  /** Why it was not read, or not whole. */
  readonly problem: string | undefined;
}

export interface View {
  readonly joins: Joins;
  readonly reports: readonly ReadReport[];
}

/** One source's reading: hands on what its lines tell, and counts. */
class Reading {
  broken = 0;
  last: number | undefined;
  problem: string | undefined;
  readonly #until: number;
  readonly #since: number;
  readonly #see: (seen: Seen) => void;

  constructor(since: number, until: number, see: (seen: Seen) => void) {
    this.#since = since;
    this.#until = until;
    this.#see = see;
  }

  /** A visitor for lines; it says whether to go on. */
  visitor(reader: LineReader): (line: Buffer) => boolean {
    return (line) => {
      const seen = reader.read(line);
      if (seen === undefined) return true;
      if (seen === 'broken') {
        this.broken += 1;
        return true;
      }
      if (seen.at > this.#until) return seen.at <= this.#until + SLACK_MS;
      if (seen.at < this.#since) return true;
      this.last = Math.max(this.last ?? 0, seen.at);
      this.#see(seen);
      return true;
    };
  }
}

async function readFiles(
  path: string,
  source: Source,
  reading: Reading,
  range: Omit<ReadRange, 'timeOf'>,
): Promise<void> {
  const pick = { needle: source.format.needle };
  for (const part of logParts(path, range.since)) {
    const reader = source.format.reader({ mtime: part.mtime });
    const visit = reading.visitor(reader);
    if (part.compressed === 'unknown')
      reading.problem = `${part.path} is compressed in a way that is not read`;
    else if (part.compressed === 'gzip') reading.broken += await readCompressedLog(part.path, pick, visit);
    else reading.broken += readLog(part.path, { ...range, pick, timeOf: reader.timeOf }, visit).overlong;
  }
}

function readProgram(
  program: string,
  args: readonly string[],
  source: Source,
  reading: Reading,
): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const reader = source.format.reader({ mtime: Date.now() });
    const cutter = new LineCutter(reading.visitor(reader), { needle: source.format.needle });
    child.once('error', (error) => {
      reading.problem = `${program} can't be run: ${errnoOf(error)}`;
      resolve();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (!cutter.push(chunk)) child.kill();
    });
    child.once('close', (code) => {
      if (code !== 0 && code !== null) reading.problem ??= `${program} ended with ${code}`;
      reading.broken += cutter.overlong;
      resolve();
    });
  });
}

async function readSource(
  source: Source,
  input: ViewInput,
  see: (seen: Seen) => void,
  onBytes: (count: number) => void,
): Promise<ReadReport> {
  const { since } = input;
  const reading = new Reading(since, input.until + AFTER_MS, see);
  const { place } = source;
  try {
    if ('path' in place) await readFiles(place.path, source, reading, { since, onBytes });
    else await readProgram(place.program, place.args(Math.floor(since / 1000), false), source, reading);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === '') throw thrown;
    reading.problem = `it can't be read: ${errno}`;
  }
  const { broken, problem, last: until } = reading;
  return { name: source.name, trust: 'unverified', until, broken, problem };
}

async function readTrail(
  directory: string,
  own: boolean,
  since: number,
  until: number,
  take: (record: TrailRecord) => void,
): Promise<ReadReport> {
  let last: number | undefined;
  const { skipped } = await readRecords(directory, since, (record) => {
    const at = Date.parse(record.ts);
    if (at >= until) return;
    last = Math.max(last ?? 0, at);
    take(record);
  });
  const name = own ? 'trail' : `trail ${directory}`;
  return { name, trust: own ? 'verified' : 'unverified', until: last, broken: skipped, problem: undefined };
}

function bytesOf(sources: readonly Source[], since: number): number {
  let all = 0;
  for (const { place } of sources) {
    if (!('path' in place)) continue;
    try {
      for (const { size, compressed } of logParts(place.path, since))
        if (compressed === undefined) all += size;
    } catch {
      // Reading it will say what is wrong.
    }
  }
  return all;
}

/** Reads and joins. Throws `trail_unwritable` where a trail can't be read; another source that can't be is reported. */
export async function readView(input: ViewInput): Promise<View> {
  const joins = new Joins(input.cas);
  const trails = [input.trail, ...input.otherTrails];
  const reports: ReadReport[] = [];
  const take = (record: TrailRecord) => joins.record(record);
  for (const directory of trails)
    reports.push(
      await readTrail(directory, directory === input.trail, input.since, input.until + AFTER_MS, take),
    );
  const all = bytesOf(input.sources, input.since);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
    input.onProgress?.(done, all);
  };
  for (const source of input.sources)
    reports.push(await readSource(source, input, (seen) => joins.see(seen), onBytes));
  let read = input.since;
  for (const back of BACK_MS) {
    if (joins.unexplained.length === 0 || read <= 0) break;
    const from = Math.max(0, input.since - back);
    for (const directory of trails) await readTrail(directory, true, from, read, take);
    joins.again();
    read = from;
  }
  joins.finish();
  return { joins, reports };
}
