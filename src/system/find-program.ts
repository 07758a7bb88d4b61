/** The program that a name means. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';

/**
 * The absolute path, links kept (a program may go by the name that it was started with), of what `name` would start: a name is looked up in the absolute directories of `path` (PATH's form),
 * a path with a slash starts at the working directory. Undefined where there is none that may be run.
 */
export function locateProgram(name: string, path: string | undefined): string | undefined {
  const directories = (path ?? '').split(delimiter).filter(isAbsolute);
  const candidates = name.includes('/')
    ? [resolve(name)]
    : directories.map((directory) => join(directory, name));
  return candidates.find(isProgram);
}

/** The same, links followed. */
export function findProgram(name: string, path: string | undefined): string | undefined {
  const found = locateProgram(name, path);
  return found === undefined ? undefined : realpathSync(found);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
