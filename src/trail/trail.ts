/**
 * The trail's writer: `trail.jsonl` in `<state_dir>/audit/`, append-only, hash-chained, any process may append.
 * Records that arrive together, or while a sync runs, share one write and one fdatasync.
 *
 * A group is written under flock: look at the head again, append all lines with one write, unlock; then fdatasync without
 * the lock. That order keeps both promises. The chain: lines are only ever added under the lock, by a writer that has seen
 * the line before. Durability: fdatasync reaches every byte of the file, so when a later line is durable all lines before it
 * are, whoever wrote them, and no record is acknowledged before the sync that began after its write.
 * A sync that fails cannot be explained away by a later one that succeeds (the kernel may have dropped the pages): its lines
 * are taken back unless others have built on them; nobody was told that they are durable.
 * Left out: rotation, a reserve for the full disk. Checkpoints are made beside it (checkpointer.ts).
 */
import { closeSync, fdatasync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, WardenError } from '../errors.ts';
import { bootId } from '../system/boot.ts';
import type { Clock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { ulid } from '../system/ids.ts';
import { tryLock, unlock } from '../system/lock.ts';
import {
  EMPTY_HEAD,
  endsWith,
  type Head,
  isStillNamed,
  openTrailFile,
  readHead,
  setAsideTorn,
} from './head.ts';
import { encodeBody, lineHash, type RecordInput } from './record.ts';

export const TRAIL_FILE = 'trail.jsonl';
/** How long a group waits for the lock, and how often it tries. Holders need well under a millisecond. */
const LOCK_LIMIT_MS = 2000;
const LOCK_RETRY_MS = 2;
/** How long a sync may take before its group is told that the record is not durable. */
const SYNC_LIMIT_MS = 5000;
/** Records in one group. */
const MAX_GROUP = 1024;

export interface TrailOptions {
  readonly clock: Clock;
  /** Told of each record that has become durable. */
  readonly onAppended?: (record: AppendedRecord) => void;
}

/** What a record became: its place in the chain. */
export interface AppendedRecord {
  readonly seq: number;
  readonly id: string;
  readonly ts: string;
  /** SHA-256 of the line, hex. */
  readonly hash: string;
}

interface Waiting {
  readonly body: string;
  readonly resolve: (appended: AppendedRecord) => void;
  readonly reject: (error: unknown) => void;
}

const PROBLEMS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ['the disk is full', 'free space there: no certificate is issued without a durable record'],
  EDQUOT: ['the quota is used up', 'free space there: no certificate is issued without a durable record'],
  EROFS: ['the file system is read-only', 'make it writable, or set state_dir to a place that is'],
  EACCES: ['permission denied', 'make the audit directory yours, or set state_dir to a place that is'],
  EPERM: ['not permitted', 'make the audit directory yours (and not immutable), or set state_dir elsewhere'],
  ELOOP: ['it is a symbolic link', 'put the file itself there'],
  EIO: ['the disk reports an error', 'look at the kernel log, and set state_dir to a disk that works'],
};

/** Appends records to one trail. Opens nothing until the first append; an append after a failure tries again from the start. */
export class Trail {
  readonly #directory: string;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #onAppended: (record: AppendedRecord) => void;
  #fd: number | undefined;
  #head: Head = EMPTY_HEAD;
  #queue: Waiting[] = [];
  #draining: Promise<void> | undefined;
  /** A sync that has outlived its limit is still running: another one would only wait behind it. */
  #stuck = false;
  #closed = false;

  /** `directory` is `<state_dir>/audit`; it is made (0700) when it is missing. */
  constructor(directory: string, options: TrailOptions) {
    this.#directory = directory;
    this.#path = join(directory, TRAIL_FILE);
    this.#clock = options.clock;
    this.#onAppended = options.onAppended ?? (() => undefined);
  }

  /** A trail that is open already, a torn last line set aside. Rejects as `append` does. */
  static async open(directory: string, options: TrailOptions): Promise<Trail> {
    const trail = new Trail(directory, options);
    try {
      await trail.#commit([]);
    } catch (thrown) {
      trail.#letGo();
      throw trail.#explain(thrown);
    }
    return trail;
  }

  /**
   * Appends one record; resolves when it is durable, in the order of the calls. Rejects with `trail_unwritable` or
   * `trail_locked` (the record is not durable), `trail_tampered` (nothing there to build on), `limit_exceeded` or
   * `malformed` (a value that may not be recorded).
   */
  async append(input: RecordInput): Promise<AppendedRecord> {
    const body = encodeBody(input);
    return new Promise((resolve, reject) => {
      this.#queue.push({ body, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Waits for what was appended, then closes the file. Appends after this are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#draining !== undefined) await this.#draining;
    this.#letGo();
  }

  #letGo(): void {
    // While a stuck sync runs the descriptor must not be given to another file.
    if (this.#fd !== undefined && !this.#stuck) closeSync(this.#fd);
    this.#fd = undefined;
  }

  async #drain(): Promise<void> {
    // Let everything that this turn of the loop appends join the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, MAX_GROUP);
      try {
        const appended = await this.#commit(group.map((waiting) => waiting.body));
        for (const record of appended) {
          group.shift()?.resolve(record);
          this.#onAppended(record);
        }
      } catch (thrown) {
        const error = this.#explain(thrown);
        for (const waiting of group) waiting.reject(error);
      }
    }
    this.#draining = undefined;
  }

  /** Writes the bodies as the next lines and makes them durable. */
  async #commit(bodies: readonly string[]): Promise<AppendedRecord[]> {
    if (this.#stuck) {
      throw new WardenError('trail_unwritable', `the disk under ${this.#path} still does not answer`, {
        hint: 'look at the disk, or set state_dir to another one',
      });
    }
    if (this.#closed && this.#fd === undefined)
      throw new WardenError('trail_unwritable', 'the trail is closed');
    const fd = await this.#lock();
    let former: Head;
    let appended: AppendedRecord[];
    try {
      const torn = this.#refreshHead(fd);
      former = this.#head;
      appended = this.#write(fd, torn === undefined ? bodies : [torn, ...bodies]);
    } finally {
      unlock(fd);
    }
    if (appended.length === 0) return appended;
    try {
      await this.#sync(fd);
    } catch (thrown) {
      if (!this.#stuck) await this.#takeBack(former);
      throw thrown;
    }
    return appended.slice(appended.length - bodies.length);
  }

  /** The open file that has the trail's name, locked. Waits by asking again: a blocking flock would stop the whole process. */
  async #lock(): Promise<number> {
    for (let waited = 0; waited <= LOCK_LIMIT_MS; waited += LOCK_RETRY_MS) {
      if (this.#fd === undefined) {
        ensurePrivateDirectory(this.#directory);
        this.#fd = openTrailFile(this.#path);
      }
      const fd = this.#fd;
      if (tryLock(fd)) {
        if (isStillNamed(fd, this.#path)) return fd;
        // Moved away or removed: closing unlocks; go on with the file that has the name now.
        this.#letGo();
      } else {
        await delay(LOCK_RETRY_MS);
      }
    }
    throw new WardenError('trail_locked', `another process holds the trail ${this.#path} for more than 2 s`, {
      hint: `find it with: fuser -v ${this.#path}`,
    });
  }

  /** Learns where the chain ends now. Returns the body of a `trail.torn` record when a torn line had to be set aside. */
  #refreshHead(fd: number): string | undefined {
    const { size } = fstatSync(fd);
    if (endsWith(fd, size, this.#head)) return undefined;
    const found = readHead(fd, size);
    const { end } = found;
    // No record where there was one: someone removed or emptied the file. The chain goes on, so that verify shows the loss.
    this.#head = found.seq === 0 ? { ...found, seq: this.#head.seq, hash: this.#head.hash } : found;
    if (end === size) return undefined;
    const name = `torn-${ulid(this.#clock.now())}.txt`;
    const sha256 = setAsideTorn(fd, end, size, this.#directory, name);
    return encodeBody({
      event: 'trail.torn',
      phase: 'single',
      outcome: 'error',
      error_code: 'trail_torn',
      message: `${size - end} bytes after record ${this.#head.seq} were not a whole record; set aside as ${name}, sha256 ${sha256}`,
    });
  }

  /** Appends the lines with one write and moves the head; a partial write is cut off again. */
  #write(fd: number, bodies: readonly string[]): AppendedRecord[] {
    const appended: AppendedRecord[] = [];
    // Time is taken under the lock: in file order it goes backwards only when the clock does.
    const now = this.#clock.now();
    const ts = new Date(now).toISOString();
    const mono = this.#clock.monotonicNs();
    const former = this.#head;
    let { seq, hash } = former;
    let line = '';
    let text = '';
    for (const body of bodies) {
      seq += 1;
      const id = ulid(now);
      line = `{"v":1,"seq":${seq},"id":"${id}","ts":"${ts}","mono_ns":"${mono}","boot_id":"${bootId()}",${body},"prev":"${hash}"}`;
      hash = lineHash(line);
      text += `${line}\n`;
      appended.push({ seq, id, ts, hash });
    }
    const bytes = Buffer.from(text);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (thrown) {
      this.#cut(fd, former.end);
      throw thrown;
    }
    if (appended.length > 0) {
      this.#head = { seq, hash, line: Buffer.from(`${line}\n`), end: former.end + bytes.length };
    }
    return appended;
  }

  #sync(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#stuck = true;
        reject(
          new WardenError('trail_unwritable', `the disk under ${this.#path} has not answered for 5 s`, {
            hint: 'look at the disk, or set state_dir to another one',
          }),
        );
      }, SYNC_LIMIT_MS);
      fdatasync(fd, (error) => {
        clearTimeout(timer);
        this.#stuck = false;
        if (this.#fd !== fd) closeSync(fd);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** After a sync that failed: cuts this group off again if it still is the end of the file. */
  async #takeBack(former: Head): Promise<void> {
    const written = this.#head;
    try {
      const fd = await this.#lock();
      try {
        if (endsWith(fd, fstatSync(fd).size, written) && this.#cut(fd, former.end)) this.#head = former;
      } finally {
        unlock(fd);
      }
    } catch {
      // The lines stay where they are: records that say more than happened, never less.
    }
  }

  /** Under the lock. Where even this fails, the next writer finds what is left and deals with it. */
  #cut(fd: number, end: number): boolean {
    try {
      ftruncateSync(fd, end);
      return true;
    } catch {
      return false;
    }
  }

  #explain(thrown: unknown): WardenError {
    if (thrown instanceof WardenError) {
      if (thrown.code !== 'config_permissions') return thrown;
      return new WardenError('trail_unwritable', thrown.message, { hint: thrown.hint, cause: thrown });
    }
    const errno = errnoOf(thrown);
    const [what, hint] = PROBLEMS[errno] ?? [errno || String(thrown), 'look at state_dir and its disk'];
    return new WardenError('trail_unwritable', `the trail ${this.#path} can't be written: ${what}`, {
      hint,
      cause: thrown,
    });
  }
}

/** Opens the trail in `directory` (`<state_dir>/audit`) and sets a torn last line aside. Rejects as `Trail.append` does. */
export function openTrail(directory: string, options: TrailOptions): Promise<Trail> {
  return Trail.open(directory, options);
}
