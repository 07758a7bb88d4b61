/**
 * A reserve for the full disk: a file beside the trail whose only use is its room. When a record does not fit, it goes, and the last words
 * fit: the results of what was asked for already, the refusals, the end. While it is not there no intent is written, and so no certificate
 * issued; the next intent that comes puts it back, if there is room again.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';

const RESERVE_FILE = 'reserve';
/** Some ninety records. */
export const RESERVE_BYTES = 64 * 1024;

/** Whether the system's error says that there is no room. */
export function isFull(thrown: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(thrown));
}

function isThere(path: string): boolean {
  try {
    return statSync(path).size >= RESERVE_BYTES;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

/** Sees to it that the reserve is there, under the trail's lock. Throws the system's error where there is no room for it. */
export function keepReserve(directory: string): void {
  const path = join(directory, RESERVE_FILE);
  if (isThere(path)) return;
  const unfinished = `${path}.new`;
  // What a file system can't store smaller than it is.
  const bytes = randomFillSync(Buffer.allocUnsafe(RESERVE_BYTES));
  const fd = openSync(unfinished, 'w', 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  } catch (thrown) {
    rmSync(unfinished, { force: true });
    throw thrown;
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, path);
}

/** Gives the reserve's room away, under the trail's lock; false where there is none to give. */
export function releaseReserve(directory: string): boolean {
  try {
    unlinkSync(join(directory, RESERVE_FILE));
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}
