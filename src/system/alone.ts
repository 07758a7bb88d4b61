/** One process at a time: work under an advisory lock on a file or directory. */
import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { WardenError } from '../errors.ts';
import { tryLock, unlock } from './lock.ts';

const RETRY_MS = 10;

/**
 * Runs `work` while no other process does with the same `path`, which must be there. Throws `file_locked` where another still does after
 * `limitMs`; `busy` says what it does.
 */
export async function alone<T>(
  path: string,
  limitMs: number,
  busy: string,
  work: () => T | Promise<T>,
): Promise<T> {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    for (let waited = 0; !tryLock(descriptor); waited += RETRY_MS) {
      if (waited >= limitMs)
        throw new WardenError('file_locked', `another process ${busy}`, {
          hint: `try again; find it with: fuser -v ${path}`,
        });
      await sleep(RETRY_MS);
    }
    try {
      return await work();
    } finally {
      unlock(descriptor);
    }
  } finally {
    closeSync(descriptor);
  }
}
