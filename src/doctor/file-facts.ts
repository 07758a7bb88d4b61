/**
 * Files and directories that decide what warden does or hold what nobody else may read, each looked at with the check that the daemon
 * makes (guarded-file.ts, directories.ts). What can be set right by taking rights away carries the mode that does it.
 */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readGuarded } from '../config/guarded-file.ts';
import { asWardenError, WardenError } from '../errors.ts';
import { checkPrivateDirectory } from '../system/directories.ts';

/** What stands in the way, and how to take it away. */
export interface FileFact {
  readonly path: string;
  readonly error: WardenError;
  /** Bits to take away from the modes of these, which are the user's own. */
  readonly repairs: readonly { readonly path: string; readonly mode: number }[];
}

export interface FilePlaces {
  /** Files that others may not write. */
  readonly guarded: readonly string[];
  /** Directories of which each `*.yaml` is guarded. */
  readonly catalogs: readonly string[];
  /** Directories that nobody else may enter. */
  readonly privateDirectories: readonly string[];
  /** Files that say which key is which host's: others may read them. They may be large, so only their modes are looked at. */
  readonly proofs: readonly string[];
  /** Files that nobody else may read. */
  readonly secrets: readonly string[];
  readonly uid: number;
  /** Nothing outside of it is repaired, but in `privateDirectories` themselves. */
  readonly home: string;
}

const OTHERS_MAY_WRITE = 0o022;
const OTHERS_MAY = 0o077;
const STICKY = 0o1000;

function statsOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Files of the catalog directories; a path that is no directory is one file. */
function catalogFiles(catalogs: readonly string[]): readonly string[] {
  return catalogs.flatMap((path) => {
    const isDirectory = statsOf(path)?.isDirectory() ?? false;
    if (!isDirectory) return [path];
    return readdirSync(path)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(path, name));
  });
}

function repairsOf(paths: readonly string[], bits: number, { uid, home }: FilePlaces): FileFact['repairs'] {
  return paths.flatMap((path) => {
    const stats = statsOf(path);
    if (stats === undefined || stats.uid !== uid || (stats.mode & bits) === 0) return [];
    // A shared directory is not the user's to close.
    if ((stats.mode & STICKY) !== 0 || !`${path}/`.startsWith(`${home}/`)) return [];
    return [{ path, mode: stats.mode & 0o7777 & ~bits }];
  });
}

/** What `check` throws, with repairs; undefined where it does not. */
function looked(
  path: string,
  repairs: () => FileFact['repairs'],
  check: () => unknown,
): FileFact | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    const error = asWardenError(thrown);
    return { path, error, repairs: error.code === 'config_permissions' ? repairs() : [] };
  }
}

function checkMode(path: string, bits: number, what: string, chmod: string): void {
  const stats = statsOf(path);
  if (stats === undefined || (stats.mode & bits) === 0) return;
  const mode = (stats.mode & 0o777).toString(8);
  throw new WardenError('config_permissions', `${path} can be ${what} by others (mode ${mode})`, {
    hint: `chmod ${chmod} ${path}`,
  });
}

/** Everything that is wrong with the files, once each. */
export function lookAtFiles(places: FilePlaces): readonly FileFact[] {
  const guarded = [...new Set([...places.guarded, ...catalogFiles(places.catalogs)])].map((path) =>
    looked(
      path,
      () => repairsOf([path, dirname(path)], OTHERS_MAY_WRITE, places),
      () => readGuarded(path, places.uid),
    ),
  );
  const directories = [...new Set(places.privateDirectories)].map((path) =>
    looked(
      path,
      () => {
        const stats = lstatSync(path, { throwIfNoEntry: false });
        if (stats === undefined || !stats.isDirectory() || stats.uid !== places.uid) return [];
        return [{ path, mode: stats.mode & 0o700 }];
      },
      () => checkPrivateDirectory(path),
    ),
  );
  const byMode = (paths: readonly string[], bits: number, what: string, chmod: string) =>
    paths.map((path) =>
      looked(
        path,
        () => repairsOf([path], bits, places),
        () => checkMode(path, bits, what, chmod),
      ),
    );
  return [
    ...guarded,
    ...directories,
    ...byMode(places.secrets, OTHERS_MAY, 'read', '600'),
    ...byMode(places.proofs, OTHERS_MAY_WRITE, 'written', 'go-w'),
  ].filter((fact) => fact !== undefined);
}
