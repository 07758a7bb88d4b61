/**
 * The trail's writer: `trail.jsonl` in `<state_dir>/audit/`, append-only, hash-chained, any process may append. A group of records shares one
 * write and one fdatasync.
 *
 * A group is written under flock: look at the head again, append all lines with one write, unlock; then fdatasync without
 * the lock. That order keeps both promises. The chain: lines are only ever added under the lock, by a writer that has seen
 * the line before. Durability: fdatasync reaches every byte of the file, so when a later line is durable all lines before it
 * are, whoever wrote them, and no record is acknowledged before the sync that began after its write.
 * A sync that fails cannot be explained away by a later one that succeeds (the kernel may have dropped the pages): its lines
 * are taken back unless others have built on them; nobody was told that they are durable.
 * The file is closed when it has its size, and at each day's first record: renamed under the lock, after which nobody writes to it. The
 * first line of the next one is a checkpoint of the record before. So that the order holds over both files, whoever opens the new one
 * syncs the one before it together with its own first group.
 * Left out: checkpoints in between (checkpointer.ts), compression and retention (upkeep.ts).
 */
import { closeSync, fdatasync, fstatSync, ftruncateSync, open, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { ulid } from '../system/ids.ts';
import { tryLock, unlock } from '../system/lock.ts';
import { type AppendedRecord, chainLines } from './chain.ts';
import {
  EMPTY_HEAD,
  endsWith,
  type Head,
  headBefore,
  isStillNamed,
  openTrailFile,
  readHead,
  setAsideTorn,
} from './head.ts';
import { checkpointRecord, encodeBody, type RecordInput } from './record.ts';
import { keepReserve, releaseReserve } from './reserve.ts';
import { closeSegment, type Front, fileOf, firstOf, listSegments, TRAIL_FILE } from './segments.ts';
import { silentDisk } from './write-failure.ts';

/** How long a group waits for the lock, and how often it tries. Holders need well under a millisecond. */
const LOCK_LIMIT_MS = 2000;
const LOCK_RETRY_MS = 2;
/** How long a sync may take before its group is told that the record is not durable. */
const SYNC_LIMIT_MS = 5000;
/** A record's own fields, on top of its body: more than they take. */
const FRAME_BYTES = 512;
export const SEGMENT_BYTES = 64 * 1024 * 1024;

const DISK_FULL: RecordInput = {
  event: 'trail.disk_full',
  phase: 'single',
  outcome: 'error',
  error_code: 'trail_unwritable',
  message: 'the disk is full: no certificate is issued until there is room again',
};

export interface WriterOptions {
  readonly clock: Clock;
  /** How many bytes a segment may have, looked at anew each time; 64 MiB where it is left out. */
  readonly segmentBytes?: () => number;
  /** Signs what was last, for the first line of a new segment; undefined where it can't be signed. */
  readonly seal?: (last: Pick<AppendedRecord, 'seq' | 'hash'>) => string | undefined;
  /** Told when this process has begun a segment, and of the checkpoint in its first line. */
  readonly onSegment?: (checkpoint: string | undefined) => void;
}

/** Makes a closed segment durable; one that has gone was compressed, which does it too. */
function syncClosed(path: string, done: (error: Error | null) => void): void {
  open(path, 'r', (failed, fd) => {
    if (failed) done(failed.code === 'ENOENT' ? null : failed);
    else
      fdatasync(fd, (error) => {
        closeSync(fd);
        done(error);
      });
  });
}

/** Writes groups, one at a time: a call waits for the one before. Opens nothing until the first; each failure leaves it able to try again. */
export class TrailWriter {
  readonly #directory: string;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #options: WriterOptions;
  #fd: number | undefined;
  #head: Head = EMPTY_HEAD;
  /** Of the open file: whether its end has been read, its first line, and the closed segment before it until that is surely durable. */
  #known = false;
  #first: Front | undefined;
  #before: string | undefined;
  /** While it is empty: whether it goes on where that segment ends. */
  #continues = false;
  /** A sync that has outlived its limit is still running: another one would only wait behind it. */
  #stuck = false;
  #closed = false;

  /** `directory` is `<state_dir>/audit`; it is made (0700) when it is missing. */
  constructor(directory: string, options: WriterOptions) {
    this.#directory = directory;
    this.#path = join(directory, TRAIL_FILE);
    this.#clock = options.clock;
    this.#options = options;
  }

  /** From now on nothing is opened again. */
  refuseMore(): void {
    this.#closed = true;
  }

  close(): void {
    this.#closed = true;
    this.#letGo();
  }

  #letGo(): void {
    // While a stuck sync runs the descriptor must not be given to another file.
    if (this.#fd !== undefined && !this.#stuck) closeSync(this.#fd);
    this.#fd = undefined;
    this.#known = false;
    this.#first = undefined;
  }

  /**
   * Writes the bodies as the next lines and makes them durable. `intents`: there are some among them, which are only written while the reserve
   * is there; `last words`: the disk is full, and the reserve makes room for them. Throws WardenError or the system's error, and then nothing
   * is written.
   */
  async commit(
    bodies: readonly string[],
    what: 'intents' | 'others' | 'last words',
  ): Promise<AppendedRecord[]> {
    if (this.#stuck) {
      throw silentDisk(this.#path, 'still does not answer');
    }
    if (this.#closed && this.#fd === undefined)
      throw new WardenError('trail_unwritable', 'the trail is closed');
    const { fd, former, appended, begun, more } = await this.#writeLocked(bodies, what);
    if (appended.length === 0) return appended;
    try {
      await this.#sync(fd);
    } catch (thrown) {
      if (!this.#stuck) await this.#takeBack(former);
      throw thrown;
    }
    if (begun !== undefined) this.#options.onSegment?.(begun.checkpoint);
    return appended.slice(more);
  }

  /** Under the lock: closes the file if it is due, and writes; `more` lines of its own come before those that were asked for. */
  async #writeLocked(bodies: readonly string[], what: Parameters<TrailWriter['commit']>[1]) {
    const lead: string[] = [];
    for (;;) {
      const fd = await this.#lock();
      try {
        if (what === 'intents') keepReserve(this.#directory);
        if (what === 'last words' && releaseReserve(this.#directory)) lead.push(encodeBody(DISK_FULL));
        const torn = this.#refreshHead(fd);
        if (torn !== undefined) lead.push(torn);
        const due = this.#isDue(fd, bodies) ? this.#first : undefined;
        if (due !== undefined && closeSegment(this.#directory, due)) continue;
        const former = this.#head;
        const begun = this.#continues && former.end === 0 ? this.#seal(former) : undefined;
        if (begun?.body !== undefined) lead.unshift(begun.body);
        const appended = this.#write(fd, [...lead, ...bodies]);
        return { fd, former, appended, begun, more: lead.length };
      } finally {
        unlock(fd);
      }
    }
  }

  /** Whether the file is to be closed before these are written: it is full, or of another day. */
  #isDue(fd: number, bodies: readonly string[]): boolean {
    if (this.#head.end === 0 || bodies.length === 0) return false;
    this.#first ??= firstOf(fd);
    if (this.#first === undefined) return false;
    const size = bodies.reduce((sum, body) => sum + body.length + FRAME_BYTES, this.#head.end);
    const today = new Date(this.#clock.now()).toISOString().slice(0, 10);
    return size > (this.#options.segmentBytes?.() ?? SEGMENT_BYTES) || this.#first.ts.slice(0, 10) < today;
  }

  /** The checkpoint in a segment's first line, of the record before it. */
  #seal(last: Head) {
    const checkpoint = this.#options.seal?.(last);
    return {
      checkpoint,
      body: checkpoint === undefined ? undefined : encodeBody(checkpointRecord(checkpoint)),
    };
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
    if (this.#known && endsWith(fd, size, this.#head)) return undefined;
    const found = readHead(fd, size);
    const { end } = found;
    const newest = this.#known && found.seq > 0 ? undefined : this.#newestClosed();
    if (!this.#known) this.#before = newest;
    this.#known = true;
    if (found.seq > 0) {
      this.#head = found;
    } else {
      const before = newest === undefined ? EMPTY_HEAD : headBefore(newest);
      // Less than there was: someone removed or emptied the file. The chain goes on, so that verify shows the loss.
      this.#continues = before.seq > 0 && before.seq >= this.#head.seq;
      const { seq, hash } = this.#continues ? before : this.#head;
      this.#head = { ...found, seq, hash };
    }
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

  #newestClosed(): string | undefined {
    const newest = listSegments(this.#directory).at(-1);
    return newest && join(this.#directory, fileOf(newest));
  }

  /** Appends the lines with one write and moves the head; a partial write is cut off again. */
  #write(fd: number, bodies: readonly string[]): AppendedRecord[] {
    const former = this.#head;
    // Time is taken under the lock: in file order it goes backwards only when the clock does.
    const { bytes, appended, next } = chainLines(former, bodies, this.#clock);
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (thrown) {
      this.#cut(fd, former.end);
      throw thrown;
    }
    this.#head = next;
    return appended;
  }

  #sync(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#stuck = true;
        reject(silentDisk(this.#path, 'has not answered for 5 s'));
      }, SYNC_LIMIT_MS);
      const done = (error: Error | null) => {
        clearTimeout(timer);
        this.#stuck = false;
        if (this.#fd !== fd) closeSync(fd);
        if (error) reject(error);
        else resolve();
      };
      const before = this.#before;
      if (before === undefined) {
        fdatasync(fd, done);
        return;
      }
      syncClosed(before, (error) => {
        if (error) {
          done(error);
          return;
        }
        if (this.#before === before) this.#before = undefined;
        fdatasync(fd, done);
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
}
