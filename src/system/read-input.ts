/** Reads a small file or standard input that a person names on the command line, with a limit and a deadline. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { errnoOf, WardenError } from '../errors.ts';

const DEADLINE_MS = 10_000;

/** The bytes of a small file; else what has to be waited for. A pipe (`<(command)`) goes through a socket, which waits without holding a thread. */
function open(path: string, limit: number): Readable | Buffer {
  if (path === '-') return process.stdin;
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    if (stat.isFIFO()) return new Socket({ fd, readable: true, writable: false });
    // Streams are slow to load, and most keys are small files. Their size says nothing of those of /proc.
    if (!stat.isFile() || stat.size === 0 || stat.size > limit) return createReadStream(path, { fd });
    try {
      return readFileSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): WardenError {
  return new WardenError('malformed', `can't read ${path}: ${errnoOf(cause) || String(cause)}`, {
    hint: 'name a file that is there and yours to read',
    cause,
  });
}

/**
 * The text of the file `path`, or of standard input for `-`. Throws `malformed` where it can't be read or does not end within 10 s,
 * `limit_exceeded` past `limit` bytes.
 */
export async function readInput(path: string, limit: number): Promise<string> {
  const stream = open(path, limit);
  if (Buffer.isBuffer(stream)) return stream.toString('utf8');
  const timer = setTimeout(
    () => stream.destroy(new Error(`no end within ${DEADLINE_MS / 1000} s`)),
    DEADLINE_MS,
  );
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk);
      size += bytes.length;
      if (size > limit)
        throw new WardenError(
          'limit_exceeded',
          `${path === '-' ? 'standard input' : path} has more than ${limit} bytes`,
          {
            hint: 'name the right file',
          },
        );
      chunks.push(bytes);
    }
  } catch (thrown) {
    throw thrown instanceof WardenError ? thrown : unreadable(path, thrown);
  } finally {
    clearTimeout(timer);
    stream.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}
