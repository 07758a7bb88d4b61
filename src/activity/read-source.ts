/** Reads one source over a window: a log with the parts that rotation made of it, or what a program prints. */
import { spawn } from 'node:child_process';
import { errnoOf } from '../errors.ts';
import {
  LineCutter,
  logParts,
  type ReadEnd,
  type ReadRange,
  readCompressedLog,
  readLog,
  SLACK_MS,
} from '../system/log-file.ts';
import type { Seen } from './seen.ts';
import type { LineReader, Source } from './sources/source.ts';

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

/** One source's reading: hands on what its lines tell, and counts. */
class Reading {
  broken = 0;
  last: number | undefined;
  problem: string | undefined;
  end: ReadEnd | undefined;
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

/** A program that prints a log may take as long as it prints. */
const SILENCE_MS = 30_000;

async function readFiles(
  path: string,
  source: Source,
  reading: Reading,
  range: Omit<ReadRange, 'timeOf'>,
): Promise<void> {
  const pick = { needle: source.format.needle };
  const parts = logParts(path, range.since);
  if (parts.length === 0) reading.problem = 'there is no such file';
  for (const part of parts) {
    const reader = source.format.reader({ mtime: part.mtime });
    const visit = reading.visitor(reader);
    if (part.compressed === 'unknown')
      reading.problem = `${part.path} is compressed in a way that is not read`;
    else if (part.compressed === 'gzip') reading.broken += await readCompressedLog(part.path, pick, visit);
    else {
      const end = readLog(part.path, { ...range, pick, timeOf: reader.timeOf }, visit);
      reading.broken += end.overlong;
      if (part.path === path) reading.end = end;
    }
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
    const silence = setTimeout(() => {
      reading.problem = `${program} has said nothing for ${SILENCE_MS / 1000} s`;
      child.kill('SIGKILL');
    }, SILENCE_MS);
    const reader = source.format.reader({ mtime: Date.now() });
    const cutter = new LineCutter(reading.visitor(reader), { needle: source.format.needle });
    child.once('error', (error) => {
      clearTimeout(silence);
      reading.problem = `${program} can't be run: ${errnoOf(error)}`;
      resolve();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      silence.refresh();
      if (!cutter.push(chunk)) child.kill();
    });
    child.once('close', (code) => {
      clearTimeout(silence);
      if (code !== 0 && code !== null) reading.problem ??= `${program} ended with ${code}`;
      reading.broken += cutter.overlong;
      resolve();
    });
  });
}

export interface SourceRange {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly until: number;
  /** Told how many bytes of it are done. */
  readonly onBytes: (count: number) => void;
}

/** Reads a source; where that can't be, the report says why. */
export async function readSource(
  source: Source,
  { since, until: to, onBytes }: SourceRange,
  see: (seen: Seen) => void,
): Promise<{ readonly report: ReadReport; readonly end: ReadEnd | undefined }> {
  const reading = new Reading(since, to, see);
  const { place } = source;
  try {
    if ('path' in place) await readFiles(place.path, source, reading, { since, onBytes });
    else await readProgram(place.program, place.args(Math.floor(since / 1000), false), source, reading);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === '') throw thrown;
    reading.problem = `it can't be read: ${errno}`;
  }
  const { broken, problem, last: until, end } = reading;
  return { report: { name: source.name, trust: 'unverified', until, broken, problem }, end };
}
