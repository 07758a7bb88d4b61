/**
 * Reads a file that decides what warden does: only when nobody but its owner (the user or root) can change it or put
 * another in its place. Follows OpenSSH's misc.c safe_path() for the file and its directory (the directory of the link
 * too, where it is one); the directories above are not looked at, and ACLs are not read.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf } from '../errors.ts';
import { ConfigError, type Problem } from './problems.ts';

/** No file of the configuration is longer. */
export const MAX_FILE_BYTES = 1024 * 1024;

const OTHERS_MAY_WRITE = 0o022;

function refuse(code: Problem['code'], file: string, message: string, hint: string): ConfigError {
  return new ConfigError({ code, file, line: undefined, key: '', message, hint });
}

function checkOwner(what: string, file: string, path: string, stats: Stats, uid: number): void {
  if (stats.uid !== uid && stats.uid !== 0) {
    throw refuse(
      'config_permissions',
      file,
      `${what} belongs to uid ${stats.uid}, who could change it`,
      `chown it to yourself or to root: ${path}`,
    );
  }
  if ((stats.mode & OTHERS_MAY_WRITE) !== 0) {
    const mode = (stats.mode & 0o7777).toString(8).padStart(4, '0');
    throw refuse(
      'config_permissions',
      file,
      `${what} may be written by others (mode ${mode})`,
      `chmod go-w ${path}`,
    );
  }
}

/** Refuses a directory in which somebody else could replace `file`. Throws ConfigError `config_permissions`. */
export function checkDirectory(directory: string, file: string, uid: number): void {
  checkOwner('its directory', file, directory, statSync(directory), uid);
}

/**
 * The text of `path`, or undefined when there is no such file. `uid` is the user that it may belong to, beside root;
 * undefined for the package's own files, which are as safe as the program itself.
 * Throws ConfigError `config_permissions`, or `config_invalid` for what can't be read, is no file, too long or not UTF-8.
 */
export function readGuarded(path: string, uid: number | undefined): string | undefined {
  let real: string;
  let descriptor: number;
  try {
    real = realpathSync(path);
    // Non-blocking, so that a FIFO in the file's place can't hold the start.
    descriptor = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw refuse(
      'config_invalid',
      path,
      `can't be read (${errnoOf(error)})`,
      'make it readable for yourself',
    );
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw refuse('config_invalid', path, 'is not a file', 'name a regular file');
    if (uid !== undefined) {
      checkOwner('the file', path, real, stats, uid);
      for (const directory of new Set([dirname(path), dirname(real)])) checkDirectory(directory, path, uid);
    }
    return decode(path, readAtMost(descriptor, path));
  } finally {
    closeSync(descriptor);
  }
}

function readAtMost(descriptor: number, path: string): Buffer {
  const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
  let length = 0;
  while (length < buffer.length) {
    const read = readSync(descriptor, buffer, length, buffer.length - length, null);
    if (read === 0) return buffer.subarray(0, length);
    length += read;
  }
  throw refuse(
    'config_invalid',
    path,
    `is longer than ${MAX_FILE_BYTES} bytes`,
    'split it, or name another file',
  );
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw refuse('config_invalid', path, 'is not UTF-8 text', 'save it as UTF-8');
  }
}
