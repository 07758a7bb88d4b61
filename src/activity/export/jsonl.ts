/**
 * The trail as JSON lines: `{"trail":NAME,"seq":N,"record":{…}}`, the record being its line byte for byte, so that the chain can be checked
 * from the copy. Into a file, which itself says how far it is (a torn last line is cut off, and written again), or to standard output.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { errnoOf, WardenError } from '../../errors.ts';
import { parseObject, textAt } from '../../system/json.ts';
import { MAX_LINE_BYTES } from '../../trail/record.ts';
import type { Exporter, Position, Shipped } from './exporter.ts';

const NEWLINE = 10;

function lines(trail: string, batch: readonly Shipped[]): string {
  return batch
    .map(({ seq, line }) => `{"trail":${JSON.stringify(trail)},"seq":${seq},"record":${line}}\n`)
    .join('');
}

/** To standard output, from `after` on. */
export function toStdout(trail: string, after: Position | undefined): Exporter {
  return {
    position: after,
    send: (batch) =>
      new Promise((resolve, reject) => {
        process.stdout.write(lines(trail, batch), (error) => {
          if (error) reject(error);
          else resolve();
        });
      }),
    close: async () => undefined,
  };
}

/** The end of a file: what its last whole line says, and where that line ends. */
function lastOf(
  fd: number,
  trail: string,
  path: string,
): { readonly position: Position | undefined; readonly end: number } {
  const { size } = fstatSync(fd);
  // A line holds a record and little more.
  const buffer = Buffer.alloc(Math.min(size, 3 * MAX_LINE_BYTES));
  const from = size - buffer.length;
  const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from));
  const end = bytes.lastIndexOf(NEWLINE);
  if (end === -1 && from > 0) throw notOurs(path);
  if (end === -1) return { position: undefined, end: 0 };
  const begin = bytes.lastIndexOf(NEWLINE, end - 1) + 1;
  const entry = parseObject(bytes.subarray(begin, end));
  const seq = Number(textAt(entry, 'seq'));
  const ts = textAt(entry, 'record', 'ts');
  if (textAt(entry, 'trail') !== trail || !Number.isSafeInteger(seq) || ts === undefined) throw notOurs(path);
  return { position: { seq, ts }, end: from + end + 1 };
}

function notOurs(path: string): WardenError {
  return new WardenError('malformed', `${path} is no export of this trail`, {
    hint: 'name another file: nothing was written to it',
  });
}

/** Into a file, 0600, from its last line on. Throws `malformed` where it holds something else, `state_unwritable`. */
export function toFile(trail: string, path: string): Exporter {
  const fail = (cause: unknown) =>
    new WardenError('state_unwritable', `can't write ${path}: ${errnoOf(cause)}`, {
      hint: 'free space there, or name another file',
      cause,
    });
  let fd: number;
  try {
    fd = openSync(path, 'a+', 0o600);
  } catch (thrown) {
    throw fail(thrown);
  }
  const { position, end } = lastOf(fd, trail, path);
  ftruncateSync(fd, end);
  return {
    position,
    async send(batch) {
      const bytes = Buffer.from(lines(trail, batch));
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        fdatasyncSync(fd);
      } catch (thrown) {
        throw fail(thrown);
      }
    },
    close: async () => closeSync(fd),
  };
}
