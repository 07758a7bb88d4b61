/**
 * Reads a log from a time on: lines as exact bytes, in constant memory, and only the part of the file that can matter. A log is ordered by
 * time, give or take SLACK_MS, so where to begin is found by halving the file. Left out: what a line means; compressed files' beginnings
 * are read, as they can't be sought in.
 */
import { closeSync, createReadStream, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';

/** Longest line that is looked at, in bytes; longer ones are counted and left out. */
export const MAX_LOG_LINE = 256 * 1024;
/** How far a line may stand from its place in time: writers that race, clocks set back, the hour of a summer's end. */
export const SLACK_MS = 3_660_000;
const CHUNK_BYTES = 1024 * 1024;
/** What is read to find a line with a time while seeking. */
const PROBE_BYTES = 64 * 1024;
const NEWLINE = 10;

/** Milliseconds since the epoch that a line claims; undefined where it claims none. */
export type TimeOf = (line: Buffer) => number | undefined;

export interface LinePick {
  /** Only lines that hold these bytes. */
  readonly needle?: Buffer | undefined;
  readonly maxLine?: number | undefined;
}

/** Cuts chunks into lines, without their newlines; the bytes are a view that holds until the next chunk. */
export class LineCutter {
  readonly #visit: (line: Buffer) => boolean;
  readonly #needle: Buffer | undefined;
  readonly #max: number;
  #kept: Buffer = Buffer.alloc(0);
  #inOverlong = false;
  #overlong = 0;

  /** `visit` says whether to go on. */
  constructor(visit: (line: Buffer) => boolean, pick: LinePick = {}) {
    this.#visit = visit;
    this.#needle = pick.needle;
    this.#max = pick.maxLine ?? MAX_LOG_LINE;
  }

  /** Lines that were too long. */
  get overlong(): number {
    return this.#overlong;
  }

  /** Whether bytes of an unfinished line are kept. */
  get unfinished(): boolean {
    return this.#kept.length > 0 || this.#inOverlong;
  }

  /** Visits the whole lines of it; false where the visitor has had enough. */
  push(chunk: Buffer): boolean {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      this.#keep(chunk);
      return true;
    }
    const first = chunk.indexOf(NEWLINE);
    const goOn = this.#first(chunk.subarray(0, first)) && this.#whole(chunk.subarray(first + 1, end));
    this.#kept = Buffer.alloc(0);
    this.#keep(chunk.subarray(end));
    return goOn;
  }

  #keep(bytes: Buffer): void {
    if (this.#inOverlong || bytes.length === 0) return;
    this.#kept = this.#kept.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#kept, bytes]);
    if (this.#kept.length <= this.#max) return;
    this.#kept = Buffer.alloc(0);
    this.#inOverlong = true;
    this.#overlong += 1;
  }

  /** The line that began in an earlier chunk. */
  #first(rest: Buffer): boolean {
    if (this.#inOverlong) {
      this.#inOverlong = false;
      return true;
    }
    return this.#one(this.#kept.length === 0 ? rest : Buffer.concat([this.#kept, rest]));
  }

  #one(line: Buffer): boolean {
    if (line.length > this.#max) {
      this.#overlong += 1;
      return true;
    }
    return this.#needle === undefined || line.includes(this.#needle) ? this.#visit(line) : true;
  }

  /** Bytes of whole lines. Finding the needle in all of them at once is what makes it cheap. */
  #whole(bytes: Buffer): boolean {
    const needle = this.#needle;
    for (let start = 0; start < bytes.length; ) {
      if (needle !== undefined) {
        const at = bytes.indexOf(needle, start);
        if (at === -1) return true;
        start = bytes.lastIndexOf(NEWLINE, at) + 1;
      }
      const end = bytes.indexOf(NEWLINE, start);
      const line = bytes.subarray(start, end);
      if (line.length > this.#max) this.#overlong += 1;
      else if (!this.#visit(line)) return false;
      start = end + 1;
    }
    return true;
  }
}

/** The first whole line with a time at or after `at`, and where it begins; undefined where there is none in the probe. */
function probe(fd: number, at: number, end: number, timeOf: TimeOf, buffer: Buffer) {
  const read = readSync(fd, buffer, 0, Math.min(buffer.length, end - at), at);
  const bytes = buffer.subarray(0, read);
  // What stands at `at` is the middle of a line, but at the file's beginning.
  let start = at === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  if (at > 0 && start === 0) return undefined;
  for (let stop = bytes.indexOf(NEWLINE, start); stop !== -1; stop = bytes.indexOf(NEWLINE, start)) {
    const time = timeOf(bytes.subarray(start, stop));
    if (time !== undefined) return { time, offset: at + start };
    start = stop + 1;
  }
  return undefined;
}

/** The offset of a line before which every line is older than `since`: halving, down to a probe's length. */
export function seekTime(fd: number, size: number, since: number, timeOf: TimeOf): number {
  const buffer = Buffer.allocUnsafe(PROBE_BYTES);
  const from = since - SLACK_MS;
  let low = 0;
  let high = size;
  while (high - low > PROBE_BYTES) {
    const middle = low + Math.floor((high - low) / 2);
    const found = probe(fd, middle, high, timeOf, buffer);
    if (found !== undefined && found.time < from) low = found.offset;
    else high = middle;
  }
  return low;
}

export interface ReadRange {
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly timeOf: TimeOf;
  readonly pick?: LinePick;
  /** Told how many bytes were dealt with. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/** What became of a file that was read. */
export interface ReadEnd {
  /** Of the file that was opened: following goes on from here. */
  readonly inode: number;
  /** Behind the last whole line that was visited. */
  readonly offset: number;
  readonly overlong: number;
}

/**
 * Visits a file's whole lines from `since` on, in their order, until `visit` says false; earlier ones may be among them. Throws what
 * open(2) and read(2) do. What is appended meanwhile is not read.
 */
export function readLog(path: string, range: ReadRange, visit: (line: Buffer) => boolean): ReadEnd {
  const fd = openSync(path, 'r');
  try {
    const { size, ino } = fstatSync(fd);
    const start = seekTime(fd, size, range.since, range.timeOf);
    range.onBytes?.(start);
    const cutter = new LineCutter(visit, range.pick);
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let offset = start;
    let at = start;
    for (let goOn = true; goOn && at < size; ) {
      const read = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at);
      if (read === 0) break; // it was cut while we read
      const chunk = buffer.subarray(0, read);
      const last = chunk.lastIndexOf(NEWLINE);
      goOn = cutter.push(chunk);
      if (last !== -1) offset = at + last + 1;
      at += read;
      range.onBytes?.(read);
    }
    range.onBytes?.(size - at);
    return { inode: ino, offset, overlong: cutter.overlong };
  } finally {
    closeSync(fd);
  }
}

/** The same for a file that gzip(1) made. Rejects where it is none. */
export async function readCompressedLog(
  path: string,
  pick: LinePick,
  visit: (line: Buffer) => boolean,
): Promise<number> {
  const cutter = new LineCutter(visit, pick);
  const plain = createReadStream(path).pipe(createGunzip());
  for await (const chunk of plain) if (!cutter.push(chunk)) break;
  return cutter.overlong;
}

export interface RotatedFile {
  readonly path: string;
  readonly compressed: 'gzip' | 'unknown' | undefined;
  /** When it was last written, in milliseconds since the epoch. */
  readonly mtime: number;
  readonly size: number;
  /** How many rotations ago, where its name says so; else 0. */
  readonly number: number;
}

const ROTATED = /^(?:\.(\d{1,3})|[.-]\d[\w-]*)(?:\.(gz|xz|bz2|zst))?$/;

/** A log and what rotation made of its earlier parts (`log.1`, `log.2.gz`, `log-20261120`), oldest first; those without anything since `since` are left out. */
export function logParts(path: string, since: number): RotatedFile[] {
  const name = basename(path);
  const directory = dirname(path);
  const parts: RotatedFile[] = [];
  for (const entry of readdirSync(directory)) {
    if (!entry.startsWith(name)) continue;
    const [suffix, number = '0', compression] =
      entry === name ? [''] : (ROTATED.exec(entry.slice(name.length)) ?? []);
    if (suffix === undefined) continue;
    const file = join(directory, entry);
    const { mtimeMs: mtime, size } = statSync(file);
    if (mtime < since && entry !== name) continue;
    const compressed = compression === undefined ? undefined : compression === 'gz' ? 'gzip' : 'unknown';
    parts.push({ path: file, compressed, mtime, size, number: Number(number) });
  }
  return parts.sort((a, b) => {
    if (a.path === path || b.path === path) return a.path === path ? 1 : -1;
    return b.number - a.number || a.mtime - b.mtime || (a.path < b.path ? -1 : 1);
  });
}
