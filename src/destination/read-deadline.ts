/**
 * A deadline for reading files that may live on a network: a home that hangs must cost a login seconds and its certificate,
 * never the login (promise 5 of the design). A read that is late can't be taken back and keeps one of libuv's few threads
 * until the file system answers, so a file is not asked again while it owes an answer.
 */
import { WardenError } from '../errors.ts';

/**
 * For all files of the ssh configuration together, and for known_hosts. A file that hangs costs only the first login so much; at one second
 * 1 in 100 logins of ansible with 50 forks, on a machine with twenty times its work, lost its certificate to a file that was there.
 */
export const READ_DEADLINE_MS = 3_000;

/** Paths that owe an answer: of the process, as its threads are. */
const owing = new Set<string>();

function late(path: string): WardenError {
  return new WardenError('limit_exceeded', `${path} did not answer within ${READ_DEADLINE_MS} ms`, {
    hint: `is its file system reachable? try: ls -l ${path}`,
  });
}

/**
 * The outcome of `read`, which reads `path`, within `milliseconds`. Throws WardenError `limit_exceeded` at the deadline, and
 * at once where an earlier read of the path was late and has still not ended.
 */
export async function readWithin<T>(path: string, milliseconds: number, read: () => Promise<T>): Promise<T> {
  if (milliseconds <= 0 || owing.has(path)) throw late(path);
  const reading = read();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      owing.add(path);
      const answered = () => owing.delete(path);
      reading.then(answered, answered);
      reject(late(path));
    }, milliseconds);
  });
  try {
    return await Promise.race([reading, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
