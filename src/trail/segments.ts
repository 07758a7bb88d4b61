/**
 * The trail's files: `trail.jsonl`, which is written, and the closed segments before it, named by their first record's number and day
 * (UTC), `trail-000000001042-20261126.jsonl`, with `.gz` behind it once compressed. By name is in order. Closing one is a rename under the
 * lock of the file; who writes next begins the new one (writer.ts).
 */
import { existsSync, readdirSync, readSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';

export const TRAIL_FILE = 'trail.jsonl';

const NAME = /^trail-(\d{12})-(\d{4})(\d\d)(\d\d)\.jsonl(\.gz)?$/;
/** `seq` and `ts` stand this near the front of each line. */
const FRONT_BYTES = 256;

/** A closed segment. */
export interface Segment {
  /** Its name in the directory, without `.gz`. */
  readonly name: string;
  /** Number of its first record. */
  readonly firstSeq: number;
  /** The UTC day of its first record, `2026-11-26`. */
  readonly day: string;
  readonly compressed: boolean;
}

/** The name of a segment's file as it stands. */
export function fileOf({ name, compressed }: Segment): string {
  return compressed ? `${name}.gz` : name;
}

/**
 * The closed segments in `directory`, in order; none where there is no directory. Where one stands there plain and compressed (whoever
 * compressed it was killed) it is the plain one. Throws the system's error.
 */
export function listSegments(directory: string): Segment[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return [];
    throw thrown;
  }
  const found = new Map<string, Segment>();
  // By name: the plain one comes before the compressed one.
  for (const file of names.sort()) {
    const [, seq, year, month, day, gz] = NAME.exec(file) ?? [];
    const name = file.replace(/\.gz$/, '');
    if (seq === undefined || found.has(name)) continue;
    found.set(name, {
      name,
      firstSeq: Number(seq),
      day: `${year}-${month}-${day}`,
      compressed: gz !== undefined,
    });
  }
  return [...found.values()];
}

/** Bytes of a file, 0 where there is none. Throws the system's error. */
export function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return 0;
    throw thrown;
  }
}

/** What the front of a line says: whose file it begins. */
export interface Front {
  readonly seq: number;
  /** ISO 8601. */
  readonly ts: string;
}

/** Reads the front of a record's line; undefined where it is none. */
export function frontOf(line: Buffer): Front | undefined {
  const [, seq, ts] =
    /^\{"v":1,"seq":([1-9]\d{0,11}),"id":"[^"]{26}","ts":"(\d{4}-\d\d-\d\dT[^"]{13})"/.exec(
      line.toString('latin1', 0, FRONT_BYTES),
    ) ?? [];
  return seq === undefined || ts === undefined ? undefined : { seq: Number(seq), ts };
}

/** The front of an open file's first line. Throws the system's error. */
export function firstOf(fd: number): Front | undefined {
  const bytes = Buffer.alloc(FRONT_BYTES);
  return frontOf(bytes.subarray(0, readSync(fd, bytes, 0, FRONT_BYTES, 0)));
}

/**
 * Closes the file that is written, under its lock. False where that can't be, and then it is written on: its first line is no record, or
 * there is a segment of that name already.
 */
export function closeSegment(directory: string, { seq, ts }: Front): boolean {
  const day = ts.slice(0, 10).replaceAll('-', '');
  const path = join(directory, `trail-${String(seq).padStart(12, '0')}-${day}.jsonl`);
  if (existsSync(path) || existsSync(`${path}.gz`)) return false;
  try {
    renameSync(join(directory, TRAIL_FILE), path);
    return true;
  } catch {
    return false;
  }
}
