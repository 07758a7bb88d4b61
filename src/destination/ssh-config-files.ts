/**
 * Reads ssh_config files and the paths of Include lines: readconf.c (read_config_file_depth, oInclude) and glob(3)'s
 * `*`, `?`, `[…]` and `~/`. A missing or unreadable file is no file, as for ssh; one that ssh reads and we can't (a pipe) is an
 * error, for without it nobody knows where ssh goes. Everything has a limit and a deadline, for the file is the user's and this
 * is the daemon. Left out: `~user`, variables and tokens (an error too), braces, the owner check (ssh itself refuses such files).
 */
import { type BigIntStats, constants } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { WardenError } from '../errors.ts';
import { matchWildcards, type Wildcard } from './host-name.ts';
import { LookTogether } from './look-together.ts';
import { READ_DEADLINE_MS, readWithin } from './read-deadline.ts';

export const MAX_FILE_BYTES = 1024 * 1024;
/** Text that one look at the configuration may cost, repeated files counted each time. */
export const MAX_TOTAL_BYTES = 4 * MAX_FILE_BYTES;
/** Files that one look may open, repeated ones counted each time. */
export const MAX_FILES = 1024;
export const MAX_LINE = 64 * 1024;
/** PATH_MAX of Linux. */
const MAX_PATH = 4096;

/** Files whose lines are kept between looks, each with what stat(2) said of it; a login rarely needs more than three. */
const MAX_REMEMBERED = 64;
const remembered = new Map<string, { readonly stamp: string; readonly lines: readonly string[] }>();

const files = new LookTogether<readonly string[] | undefined>();
const directories = new LookTogether<readonly string[]>();

/** What changes when a file does. */
function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function remember(file: string, stamp: string, lines: readonly string[]): void {
  remembered.delete(file);
  remembered.set(file, { stamp, lines });
  for (const oldest of remembered.keys()) {
    if (remembered.size <= MAX_REMEMBERED) break;
    remembered.delete(oldest);
  }
}

export function cannotFollow(file: string, what: string, hint: string): WardenError {
  return new WardenError('limit_exceeded', `the ssh configuration can't be followed: ${file} ${what}`, {
    hint,
  });
}

function tooMuch(file: string, what: string): WardenError {
  return cannotFollow(file, what, 'make the file smaller, or its Include lines fewer');
}

/** Looks at the file anew each time, and reads it only when it has changed: a login passes here. */
async function readLines(file: string): Promise<readonly string[] | undefined> {
  const known = remembered.get(file);
  if (known !== undefined) {
    const now = await stat(file, { bigint: true }).catch(() => undefined);
    if (now !== undefined && stampOf(now) === known.stamp) return known.lines;
    remembered.delete(file);
  }
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const found = await handle.stat({ bigint: true });
    // ssh reads nothing from a directory, and nothing from /dev/null.
    if (found.isDirectory() || file === '/dev/null') return [];
    if (!found.isFile()) {
      throw cannotFollow(file, 'is not a regular file', 'give ssh its configuration in a regular file');
    }
    if (found.size > MAX_FILE_BYTES) throw tooMuch(file, `is larger than ${MAX_FILE_BYTES} bytes`);
    const lines = (await handle.readFile('utf8')).split('\n');
    if (lines.some((line) => line.length > MAX_LINE))
      throw tooMuch(file, `has a line over ${MAX_LINE} bytes`);
    remember(file, stampOf(found), lines);
    return lines;
  } finally {
    await handle.close();
  }
}

/** A part of a path as glob(3) reads it, or undefined where it is plain text. */
function compileGlob(part: string): Wildcard[] | undefined {
  if (!/[*?[]/.test(part)) return undefined;
  const places = part.match(/\\.|\[[!^]?\]?[^\]]*\]|[\s\S]/g) ?? [];
  return places.map((place): Wildcard => {
    if (place === '*') return '*';
    if (place === '?') return () => true;
    if (place.startsWith('[') && place.length > 1) return bracket(place.slice(1, -1));
    const literal = place.startsWith('\\') ? place.slice(1) : place;
    return (char) => char === literal;
  });
}

/** `a-z0`, `!abc`: the inside of a bracket expression. */
function bracket(inside: string): (char: string) => boolean {
  const negated = /^[!^]/.test(inside);
  const members = inside.slice(negated ? 1 : 0).match(/[\s\S]-[\s\S]|[\s\S]/g) ?? [];
  return (char) => {
    const member = members.some((each) =>
      each.length === 3 ? char >= each.charAt(0) && char <= each.charAt(2) : char === each,
    );
    return member !== negated;
  };
}

/** One look at the configuration: keeps what it has read, and counts against the limits and the deadline. */
export class ConfigFiles {
  readonly #lines = new Map<string, readonly string[]>();
  readonly #home: string;
  readonly #end = performance.now() + READ_DEADLINE_MS;
  #bytes = 0;
  #files = 0;

  constructor(home: string) {
    this.#home = home;
  }

  #within<T>(path: string, read: () => Promise<T>): Promise<T> {
    return readWithin(path, this.#end - performance.now(), read);
  }

  /** The lines of a file, or undefined where there is none. Throws WardenError `limit_exceeded`. */
  async lines(file: string): Promise<readonly string[] | undefined> {
    this.#files += 1;
    if (this.#files > MAX_FILES) throw tooMuch(file, `is the file after ${MAX_FILES} others`);
    const lines =
      this.#lines.get(file) ?? (await this.#within(file, () => files.at(file, () => readLines(file))));
    if (lines === undefined) return undefined;
    this.#lines.set(file, lines);
    this.#bytes += lines.reduce((sum, line) => sum + line.length + 1, 0);
    if (this.#bytes > MAX_TOTAL_BYTES) throw tooMuch(file, `goes beyond ${MAX_TOTAL_BYTES} bytes in all`);
    return lines;
  }

  /**
   * The files that one Include word names, sorted; `directory` is where relative words live. Undefined where the word can't be
   * followed: `~user`, variables, tokens. Throws WardenError `limit_exceeded`.
   */
  async included(word: string, directory: string): Promise<readonly string[] | undefined> {
    const path = word.startsWith('~/') ? join(this.#home, word.slice(2)) : word;
    if (path.length > MAX_PATH || path.startsWith('~') || /\$\{|%/.test(path)) return undefined;
    const parts = (path.startsWith('/') ? path : join(directory, path))
      .split('/')
      .filter((part) => part !== '');
    let found = ['/'];
    for (const part of parts) {
      const pattern = compileGlob(part);
      const next: string[] = [];
      for (const parent of found) {
        if (pattern === undefined) next.push(join(parent, part));
        else next.push(...(await this.#matching(parent, part, pattern)));
        if (next.length > MAX_FILES) throw tooMuch(word, `names more than ${MAX_FILES} files`);
      }
      found = next;
    }
    return found;
  }

  async #matching(directory: string, part: string, pattern: readonly Wildcard[]): Promise<string[]> {
    let names: readonly string[];
    try {
      names = await this.#within(directory, () => directories.at(directory, () => readdir(directory)));
    } catch (thrown) {
      if (thrown instanceof WardenError) throw thrown;
      return [];
    }
    return names
      .filter((name) => name.startsWith('.') === part.startsWith('.') && matchWildcards(name, pattern))
      .sort()
      .map((name) => join(directory, name));
  }
}
