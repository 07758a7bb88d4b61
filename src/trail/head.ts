/**
 * The end of the trail's file: its last whole record, and what a crashed writer may have left behind it.
 * All of it runs under the file's lock and is synchronous: nobody waits while holding the lock.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { errnoOf, WardenError } from '../errors.ts';
import { lineHash, MAX_LINE_BYTES, NO_LINE_BEFORE } from './record.ts';
import { TRAIL_FILE } from './segments.ts';

/** First look at the end of the file: one record is around 1 KiB. */
const FIRST_WINDOW = 4 * 1024;
/** A crash of the machine can spoil a whole group of lines (1024); more than this is not the work of a crash. */
const MAX_TORN_LINES = 2048;
const MAX_TORN_BYTES = 16 * 1024 * 1024;
/** Of a segment that somebody has compressed before its time. */
const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024;

export interface Head {
  /** 0 before the first record. */
  readonly seq: number;
  /** SHA-256 of the last line, hex. */
  readonly hash: string;
  /** The last line with its newline. */
  readonly line: Buffer;
  /** Where the last line ends in the file, in bytes. */
  readonly end: number;
}

export const EMPTY_HEAD: Head = { seq: 0, hash: NO_LINE_BEFORE, line: Buffer.alloc(0), end: 0 };

/** Opens the trail's file for appending, makes it if it is missing; 0600, no links. Throws the system's error. */
export function openTrailFile(path: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  const fd = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) {
      throw new WardenError('trail_unwritable', `${path} is not a file`, { hint: 'move it out of the way' });
    }
    if ((found.mode & 0o777) !== 0o600) fchmodSync(fd, 0o600);
    // A new name is durable only when its directory is, and that one's name too.
    syncDirectory(dirname(path));
    syncDirectory(dirname(dirname(path)));
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

/** Makes the names in a directory durable. Throws the system's error. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether `path` still names the open file: it may have been moved away or removed. */
export function isStillNamed(fd: number, path: string): boolean {
  try {
    const open = fstatSync(fd, { bigint: true });
    const named = lstatSync(path, { bigint: true });
    return open.ino === named.ino && open.dev === named.dev;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

function readAt(fd: number, from: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let got = 0;
  while (got < length) {
    const n = readSync(fd, bytes, got, length - got, from + got);
    if (n === 0) break;
    got += n;
  }
  return bytes.subarray(0, got);
}

/** Whether the file ends with exactly this head: the usual case, when nobody else has written since. */
export function endsWith(fd: number, size: number, head: Head): boolean {
  return size === head.end && readAt(fd, size - head.line.length, head.line.length).equals(head.line);
}

/** The sequence number of a line that can be built on, or undefined. Deeper checks are verify's. */
function seqOf(line: Buffer): number | undefined {
  if (line.length > MAX_LINE_BYTES) return undefined;
  try {
    const parsed: unknown = JSON.parse(line.toString('utf8'));
    if (typeof parsed !== 'object' || parsed === null || !('seq' in parsed) || !('prev' in parsed))
      return undefined;
    return typeof parsed.seq === 'number' && Number.isSafeInteger(parsed.seq) && parsed.seq > 0
      ? parsed.seq
      : undefined;
  } catch {
    return undefined;
  }
}

function nothingToBuildOn(file = TRAIL_FILE): WardenError {
  return new WardenError(
    'trail_tampered',
    'the end of the trail holds no record for too long to be a crash',
    {
      hint: `move ${file} out of the audit directory and look at it: the trail goes on behind what is left`,
    },
  );
}

/** The last whole record among the file's last bytes; `from` is their place in the file. */
function lastRecordIn(bytes: Buffer, from: number): Head | undefined {
  let end = bytes.lastIndexOf(10);
  for (let lines = 0; end !== -1; lines += 1) {
    // Counted, because this runs while others wait for the lock, and looking at millions of empty lines takes a minute.
    if (lines > MAX_TORN_LINES) throw nothingToBuildOn();
    const before = end === 0 ? -1 : bytes.lastIndexOf(10, end - 1);
    // Without a newline before it the line may begin earlier than the window does.
    if (before === -1 && from !== 0) return undefined;
    const line = bytes.subarray(before + 1, end);
    const seq = seqOf(line);
    if (seq !== undefined) {
      return {
        seq,
        hash: lineHash(line),
        line: Buffer.from(bytes.subarray(before + 1, end + 1)),
        end: from + end + 1,
      };
    }
    end = before;
  }
  return undefined;
}

/**
 * The last whole record of a file of `size` bytes; what lies behind its `end` is torn. EMPTY_HEAD when there is none.
 * Throws `trail_tampered` when the last 2048 lines or 16 MiB hold no record: warden must not build on that.
 */
export function readHead(fd: number, size: number): Head {
  for (let window = FIRST_WINDOW; ; window *= 16) {
    const from = Math.max(0, size - window);
    const head = lastRecordIn(readAt(fd, from, size - from), from);
    if (head !== undefined) return head;
    if (from === 0) return EMPTY_HEAD;
    if (window >= MAX_TORN_BYTES) throw nothingToBuildOn();
  }
}

/**
 * The last whole record of a closed segment, plain or compressed (by hand: warden leaves the newest plain). Throws `trail_tampered` where
 * there is none.
 */
export function headBefore(path: string): Head {
  let head: Head | undefined;
  if (path.endsWith('.gz')) {
    head = lastRecordIn(gunzip(path), 0);
  } else {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      head = readHead(fd, fstatSync(fd).size);
    } finally {
      closeSync(fd);
    }
  }
  if (head === undefined || head.seq === 0) throw nothingToBuildOn(basename(path));
  return head;
}

function gunzip(path: string): Buffer {
  const bytes = readFileSync(path);
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES });
  } catch {
    throw nothingToBuildOn(basename(path));
  }
}

/** Moves the bytes from `end` to `size` into a file of their own beside the trail and cuts them off. Returns what they hash to. */
export function setAsideTorn(fd: number, end: number, size: number, directory: string, name: string): string {
  const torn = readAt(fd, end, size - end);
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  const path = join(directory, name);
  const aside = openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for (let at = 0; at < torn.length; ) at += writeSync(aside, torn, at);
    fsyncSync(aside);
  } catch (thrown) {
    unlinkSync(path);
    throw thrown;
  } finally {
    closeSync(aside);
  }
  // The copy must have a durable name before the original goes.
  syncDirectory(directory);
  ftruncateSync(fd, end);
  return lineHash(torn);
}
