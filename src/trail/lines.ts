/**
 * A trail's bytes as whole lines, over all its segments in order, in constant memory. What is read is the trail as it was when the reading
 * began: the file that is written is opened first, and the segments up to it are found by name afterwards, so that one that is closed
 * meanwhile is neither missed nor read twice. Takes no lock. A line longer than the limit is reported, not kept.
 */
import { createReadStream, existsSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { errnoOf, WardenError } from '../errors.ts';
import { isStillNamed } from './head.ts';
import { MAX_LINE_BYTES, parseRecord, type TrailRecord } from './record.ts';
import { fileOf, listSegments, type Segment, sizeOf, TRAIL_FILE } from './segments.ts';

const CHUNK_BYTES = 512 * 1024;
const UNPACKED_BYTES = 128 * 1024;
export const NEWLINE = 10;
const DAY_MS = 86_400_000;

/**
 * A piece of one file. `lines`: whole lines with their newlines. The others are one line each: `overlong`, cut at the limit; `torn`, the last
 * of its file, without a newline; or none at all: `unreadable`, a compressed segment that can't be unpacked from there on; `gone`, a segment
 * that retention has removed since the reading began.
 */
export interface Block {
  readonly kind: 'lines' | 'overlong' | 'torn' | 'unreadable' | 'gone';
  /** The file's name in the directory. */
  readonly file: string;
  /** Valid until the next block is asked for. */
  readonly bytes: Buffer;
}

const NOTHING = Buffer.alloc(0);

type OnRead = (bytes: number) => void;
const unheard: OnRead = () => undefined;

/** Cuts a file's chunks into blocks; what a chunk leaves unfinished is kept for the next, up to the limit. */
class Splitter {
  readonly #file: string;
  #kept: Buffer = NOTHING;
  #overlong = false;

  constructor(file: string) {
    this.#file = file;
  }

  block(kind: Block['kind'], bytes: Buffer): Block {
    return { kind, file: this.#file, bytes };
  }

  *push(chunk: Buffer): Generator<Block> {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const first = chunk.indexOf(NEWLINE) + 1;
      let start = 0;
      if (this.#kept.length > 0) {
        yield this.#whole(Buffer.concat([this.#kept, chunk.subarray(0, first)]));
        start = first;
      }
      yield* this.#bounded(chunk.subarray(start, end));
      this.#kept = NOTHING;
    }
    const rest = chunk.subarray(end);
    // A copy: the chunk's memory is used again.
    if (rest.length > 0) this.#kept = Buffer.concat([this.#kept, rest]);
    if (this.#kept.length > MAX_LINE_BYTES) {
      this.#overlong = true;
      this.#kept = this.#kept.subarray(0, MAX_LINE_BYTES);
    }
  }

  /** One line with its newline. */
  #whole(line: Buffer): Block {
    const overlong = this.#overlong || line.length - 1 > MAX_LINE_BYTES;
    this.#overlong = false;
    return overlong ? this.block('overlong', line.subarray(0, MAX_LINE_BYTES)) : this.block('lines', line);
  }

  /** Whole lines, of which one may be too long. */
  *#bounded(bytes: Buffer): Generator<Block> {
    let start = 0;
    for (let from = 0; bytes.length - from > MAX_LINE_BYTES; ) {
      // The last newline that a line of the longest length allows; none: the line is longer.
      const end = bytes.lastIndexOf(NEWLINE, from + MAX_LINE_BYTES);
      if (end >= from) {
        from = end + 1;
        continue;
      }
      if (from > start) yield this.block('lines', bytes.subarray(start, from));
      start = bytes.indexOf(NEWLINE, from) + 1;
      yield this.block('overlong', bytes.subarray(from, from + MAX_LINE_BYTES));
      from = start;
    }
    if (start < bytes.length) yield this.block('lines', bytes.subarray(start));
  }

  /** The last line, if no newline ended it. */
  *end(): Generator<Block> {
    if (this.#kept.length > 0) yield this.block(this.#overlong ? 'overlong' : 'torn', this.#kept);
  }
}

/** A plain file's blocks, up to the size that it had at the start: what is appended meanwhile belongs to the next reading. */
async function* readPlain(file: FileHandle, name: string, onRead: OnRead = unheard) {
  const { size } = await file.stat();
  const splitter = new Splitter(name);
  // While one is looked at the next is read.
  const chunk = Math.min(CHUNK_BYTES, size);
  const read = (buffer: Buffer, at: number) => file.read(buffer, 0, Math.min(chunk, size - at), at);
  let buffer = Buffer.allocUnsafe(chunk);
  let other = Buffer.allocUnsafe(size > chunk ? chunk : 0);
  let pending = size > 0 ? read(buffer, 0) : undefined;
  for (let at = 0; pending !== undefined; ) {
    const { bytesRead } = await pending;
    if (bytesRead === 0) break; // it was cut while we read
    at += bytesRead;
    pending = at < size ? read(other, at) : undefined;
    onRead(bytesRead);
    yield* splitter.push(buffer.subarray(0, bytesRead));
    [buffer, other] = [other, buffer];
  }
  yield* splitter.end();
}

async function* readCompressed(path: string, name: string, onRead: OnRead) {
  const source = createReadStream(path).on('data', (chunk) => onRead(chunk.length));
  const unpacked = createGunzip({ chunkSize: UNPACKED_BYTES });
  // The error is the iteration's.
  pipeline(source, unpacked, () => undefined);
  const splitter = new Splitter(name);
  try {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) yield* splitter.push(chunk);
  } catch (thrown) {
    if (!errnoOf(thrown).startsWith('Z_')) throw thrown;
    yield splitter.block('unreadable', NOTHING);
    return;
  } finally {
    source.destroy();
    unpacked.destroy();
  }
  yield* splitter.end();
}

async function opened(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** One closed segment, whether it is compressed before or after it was looked for. */
async function* readSegment(directory: string, segment: Segment, onRead: OnRead = unheard) {
  const { name } = segment;
  const plain = segment.compressed ? undefined : await opened(join(directory, name));
  if (plain !== undefined) {
    try {
      yield* readPlain(plain, name, onRead);
    } finally {
      await plain.close();
    }
    return;
  }
  const file = fileOf({ ...segment, compressed: true });
  try {
    yield* readCompressed(join(directory, file), file, onRead);
  } catch (thrown) {
    if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    yield new Splitter(name).block('gone', NOTHING);
  }
}

async function* readCurrent(directory: string) {
  const file = await opened(join(directory, TRAIL_FILE));
  if (file === undefined) return;
  try {
    yield* readPlain(file, TRAIL_FILE);
  } finally {
    await file.close();
  }
}

/**
 * Those whose records can be from `since` (milliseconds since the epoch) on: all are from between a segment's first day and the next one's, by
 * their names. Where a clock was wrong that day, the later of both counts.
 */
function since(segments: readonly Segment[], from: number): readonly Segment[] {
  return segments.filter(({ day }, index) => {
    const next = segments[index + 1];
    return next === undefined || Math.max(Date.parse(day), Date.parse(next.day)) + DAY_MS > from;
  });
}

export interface ReadOptions {
  /** Milliseconds since the epoch: segments that are older as a whole are passed over. */
  readonly since?: number;
  /** Told after each piece: bytes that were read, and how many there are, as they are on the disk. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The file that is written, open, and the closed segments before it: taken anew until no segment was closed in between. Undefined: there is no
 * such file.
 */
async function takeStock(directory: string) {
  const path = join(directory, TRAIL_FILE);
  for (;;) {
    const current = await opened(path);
    const segments = listSegments(directory);
    if (current === undefined ? !existsSync(path) : isStillNamed(current.fd, path))
      return { current, segments };
    await current?.close();
  }
}

/** Adds up what is read. */
async function counting(
  directory: string,
  segments: readonly Segment[],
  current: FileHandle | undefined,
  onProgress: ReadOptions['onProgress'],
): Promise<OnRead> {
  if (onProgress === undefined) return unheard;
  const closed = segments.map((segment) => sizeOf(join(directory, fileOf(segment))));
  const total = closed.reduce(
    (sum, size) => sum + size,
    current === undefined ? 0 : (await current.stat()).size,
  );
  let done = 0;
  return (bytes) => {
    done += bytes;
    onProgress(done, total);
  };
}

/** Yields the trail's blocks; none if there is no trail. Throws `trail_unwritable` if it can't be read. */
export async function* readTrail(directory: string, options: ReadOptions = {}): AsyncGenerator<Block> {
  try {
    const { current, segments } = await takeStock(directory);
    try {
      const read = since(segments, options.since ?? 0);
      const onRead = await counting(directory, read, current, options.onProgress);
      for (const segment of read) {
        yield* readSegment(directory, segment, onRead);
      }
      if (current !== undefined) yield* readPlain(current, TRAIL_FILE, onRead);
    } finally {
      await current?.close();
    }
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === '') throw cause;
    throw new WardenError('trail_unwritable', `the trail in ${directory} can't be read: ${errno}`, {
      hint: 'run this as the user that the trail belongs to',
      cause,
    });
  }
}

/** The first record of a closed segment, or of the file that is written; undefined where there is none. Throws the system's error. */
export async function firstRecord(
  directory: string,
  segment: Segment | undefined,
): Promise<TrailRecord | undefined> {
  const blocks = segment === undefined ? readCurrent(directory) : readSegment(directory, segment);
  for await (const block of blocks) {
    const [line] = linesOf(block);
    const parsed = line === undefined || block.kind !== 'lines' ? undefined : parseRecord(line);
    return parsed === undefined || 'reason' in parsed ? undefined : parsed.record;
  }
  return undefined;
}

/** The lines of a block without their newlines. */
export function* linesOf({ kind, bytes }: Block): Generator<Buffer> {
  if (kind !== 'lines') {
    if (bytes.length > 0) yield bytes;
    return;
  }
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}
