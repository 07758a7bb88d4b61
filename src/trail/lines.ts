/**
 * A file's lines as exact bytes, in constant memory. Reads up to the size that the file had at the start: what is appended
 * meanwhile belongs to the next reading. A line longer than the limit is reported, not kept.
 */
import { open } from 'node:fs/promises';
import { errnoOf, WardenError } from '../errors.ts';
import { MAX_LINE_BYTES } from './record.ts';

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;

export interface Line {
  /** Counted from 1. */
  readonly number: number;
  /** Without the newline; a view that is valid until the next batch. Cut at MAX_LINE_BYTES when `overlong`. */
  readonly bytes: Buffer;
  readonly overlong: boolean;
  /** Whether a newline ended it: only the last line can lack one. */
  readonly ended: boolean;
}

/** Cuts chunks into lines; what a chunk leaves unfinished is kept for the next, up to the limit. */
class Splitter {
  #number = 0;
  #kept: Buffer = Buffer.alloc(0);
  #overlong = false;

  #line(bytes: Buffer, ended: boolean): Line {
    this.#number += 1;
    const overlong = this.#overlong || bytes.length > MAX_LINE_BYTES;
    this.#overlong = false;
    return { number: this.#number, bytes: bytes.subarray(0, MAX_LINE_BYTES), overlong, ended };
  }

  push(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      lines.push(this.#line(this.#kept.length === 0 ? part : Buffer.concat([this.#kept, part]), true));
      this.#kept = Buffer.alloc(0);
      start = end + 1;
    }
    this.#kept = Buffer.concat([this.#kept, chunk.subarray(start)]);
    if (this.#kept.length > MAX_LINE_BYTES) {
      this.#overlong = true;
      this.#kept = this.#kept.subarray(0, MAX_LINE_BYTES);
    }
    return lines;
  }

  /** The last line, if no newline ended it. */
  end(): Line[] {
    return this.#kept.length === 0 ? [] : [this.#line(this.#kept, false)];
  }
}

/** Yields the lines in batches (one for each chunk read); none if there is no such file. Throws `trail_unwritable` if it can't be read. */
export async function* readLines(path: string): AsyncGenerator<readonly Line[]> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const splitter = new Splitter();
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      for (let at = 0; at < size; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK_BYTES, size - at), at);
        if (bytesRead === 0) break; // it was cut while we read
        at += bytesRead;
        yield splitter.push(buffer.subarray(0, bytesRead));
      }
      yield splitter.end();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return;
    if (errnoOf(cause) === '') throw cause;
    throw new WardenError('trail_unwritable', `the trail ${path} can't be read: ${errnoOf(cause)}`, {
      hint: 'run this as the user that the trail belongs to',
      cause,
    });
  }
}
