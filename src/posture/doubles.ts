/**
 * Puts warden's doubles of `bao` and `key-cape` into a directory: programs for dev and test that answer with synthetic values, without server or
 * network (`share/doubles`). Environments: `../shared/notes/ops-warden.md`, section 7. Left out: every command that nobody fetches a value by.
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../config/package-paths.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';

const PROGRAMS = ['bao', 'key-cape'] as const;
/** What each answers; the user's own to write in, so an existing one stays. */
const TABLES = ['bao.paths', 'key-cape.answers'] as const;
/** On the second line of each program. */
const MARK = '# warden’s double of ';

/** Whether it is one of ours: the real one may be long, so only its beginning is read. */
function isDouble(path: string, name: string): boolean {
  const descriptor = openSync(path, 'r');
  try {
    const head = Buffer.alloc(128);
    const length = readSync(descriptor, head, 0, head.length, 0);
    return head.toString('utf8', 0, length).split('\n')[1] === `${MARK}${name}`;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Writes them and returns their paths. Throws `usage` where another program of the name is there, which stays, and `state_unwritable`.
 */
export function installDoubles(directory: string): readonly string[] {
  const shipped = (name: string) => join(packageRoot(), 'share', 'doubles', name);
  try {
    mkdirSync(directory, { recursive: true });
    for (const name of PROGRAMS) {
      const path = join(directory, name);
      if (existsSync(path) && !isDouble(path, name))
        throw new WardenError('usage', `${path} is another program`, {
          hint: 'a double never takes the place of the real one: name a directory of its own',
        });
    }
    for (const name of [...PROGRAMS, ...TABLES]) {
      const path = join(directory, name);
      const isTable = TABLES.some((table) => table === name);
      if (isTable && existsSync(path)) continue;
      replaceFile(path, readFileSync(shipped(name), 'utf8'));
      chmodSync(path, isTable ? 0o644 : 0o755);
    }
    return PROGRAMS.map((name) => join(directory, name));
  } catch (cause) {
    if (cause instanceof WardenError) throw cause;
    throw new WardenError('state_unwritable', `can't write the doubles to ${directory}: ${errnoOf(cause)}`, {
      hint: 'name a directory that you may write',
      cause,
    });
  }
}
