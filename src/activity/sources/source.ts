/** What the view reads beside the trail: logs of other programs, each line unverified. */
import type { TimeOf } from '../../system/log-file.ts';
import type { Seen } from '../seen.ts';

/** A log's lines in the order of the file; may remember lines before. */
export interface LineReader {
  readonly timeOf: TimeOf;
  /** What the line tells; undefined where that is nothing of interest, `broken` where it is not of the log's form. */
  read(line: Buffer): Seen | 'broken' | undefined;
}

export interface FilePart {
  /** When this part of the log was last written, in milliseconds since the epoch: it gives lines without a year theirs. */
  readonly mtime: number;
}

/** One kind of log. */
export interface LogFormat {
  /** Bytes that every line of interest holds. */
  readonly needle?: Buffer | undefined;
  reader(part: FilePart): LineReader;
}

/** Where a log is. */
export type Place =
  | { readonly path: string }
  /** A program that prints the log from a time on (seconds since the epoch), or follows it. */
  | { readonly program: string; args(since: number, follow: boolean): readonly string[] };

export interface Source {
  /** For people: the kind and the place. */
  readonly name: string;
  readonly place: Place;
  readonly format: LogFormat;
  /** It holds ops-warden's certificates. */
  readonly past?: boolean;
}
