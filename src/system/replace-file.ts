/** Files that are there whole or not at all: written beside and put in place by rename(2), which is atomic. */
import { closeSync, fdatasyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/** What the name of a file ends with while it is being written; one that is left is of a process that was killed. */
export const UNFINISHED = /\.[0-9a-f]{8}\.new$/;

/**
 * Writes `text` as the file `path`, 0600, in place of what stands there: until it is on disk the former one stays. Throws the system's
 * error, and then nothing has changed.
 */
export function replaceFile(path: string, text: string): void {
  // Only not to meet another writer: O_EXCL lets nobody put a file or a link in its way. node:crypto would take a fifth of a small command's time.
  const name = Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  const temporary = `${path}.${name}.new`;
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      fdatasyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
