/**
 * A file that others append to and rotate, followed by its inode: what was written to the old file after it was renamed is read before the
 * new one is, and so are the files that came and went in between, while they lie beside it. One that was cut (logrotate's copytruncate) is
 * read from its beginning. Asked again and again (`poll`), as inotify sees nothing of what other machines write to a shared directory.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { errnoOf } from '../errors.ts';
import { LineCutter, type LinePick, logParts } from './log-file.ts';

const CHUNK_BYTES = 256 * 1024;

/** Where to begin: a place that was read up to, if it is still that file; the file's beginning; left out: its end. */
export type ReadFrom = { readonly inode: number; readonly offset: number } | 'beginning';

export class FollowedFile {
  readonly #path: string;
  readonly #pick: LinePick;
  readonly #visit: (line: Buffer) => void;
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  #fd: number | undefined;
  #inode = 0;
  #offset = 0;
  #cutter: LineCutter;

  /** A file that is not there yet is followed from its beginning. Throws what open(2) does. */
  constructor(path: string, visit: (line: Buffer) => void, pick: LinePick = {}, from?: ReadFrom) {
    this.#path = path;
    this.#pick = pick;
    this.#visit = visit;
    this.#cutter = this.#newCutter();
    if (!this.#open(path)) return;
    if (from === 'beginning') return;
    this.#offset = from?.inode === this.#inode ? from.offset : this.#size();
  }

  #newCutter(): LineCutter {
    return new LineCutter((line) => {
      this.#visit(line);
      return true;
    }, this.#pick);
  }

  #open(path: string): boolean {
    try {
      this.#fd = openSync(path, 'r');
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return false;
      throw thrown;
    }
    this.#inode = fstatSync(this.#fd).ino;
    this.#offset = 0;
    this.#cutter = this.#newCutter();
    return true;
  }

  #size(): number {
    return this.#fd === undefined ? 0 : fstatSync(this.#fd).size;
  }

  #drain(): void {
    if (this.#fd === undefined) return;
    if (this.#size() < this.#offset) {
      this.#offset = 0;
      this.#cutter = this.#newCutter();
    }
    for (;;) {
      const read = readSync(this.#fd, this.#buffer, 0, this.#buffer.length, this.#offset);
      if (read === 0) return;
      this.#offset += read;
      this.#cutter.push(this.#buffer.subarray(0, read));
    }
  }

  /** Visits what has come since. Throws what open(2), read(2) and stat(2) do, but where there is no file now. */
  poll(): void {
    this.#drain();
    let inode: number;
    try {
      inode = statSync(this.#path).ino;
    } catch (thrown) {
      if (errnoOf(thrown) === 'ENOENT') return;
      throw thrown;
    }
    if (this.#fd !== undefined && inode === this.#inode) return;
    // Once more: it may have been written to between the two.
    this.#drain();
    for (const path of this.#between()) {
      this.close();
      if (this.#open(path)) this.#drain();
    }
  }

  /** The files after the one that was read, oldest first, the newest included. */
  #between(): string[] {
    const parts = logParts(this.#path, 0).filter(({ compressed }) => compressed === undefined);
    const known = parts.findIndex(({ path }) => statSync(path).ino === this.#inode);
    return this.#fd === undefined || known === -1
      ? [this.#path]
      : parts.slice(known + 1).map(({ path }) => path);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
