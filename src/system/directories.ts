/** Directories that hold what nobody else may touch: sockets, the trail. */
import { accessSync, constants, existsSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, WardenError } from '../errors.ts';

/** Makes `path` (0700) if it is missing and refuses one that is a link, another user's, or open to others. */
export function ensurePrivateDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new WardenError('config_permissions', `can't make the directory ${path}: ${errnoOf(cause)}`, {
      hint: 'choose a directory that you may write to (state_dir, agent.socket)',
      cause,
    });
  }
  refuseOpen(path);
}

/** Whether `ensurePrivateDirectory` would do, without making anything. Throws what it would. */
export function checkPrivateDirectory(path: string): void {
  if (existsSync(path)) {
    refuseOpen(path);
    return;
  }
  let above = dirname(path);
  while (!existsSync(above)) above = dirname(above);
  try {
    if (!lstatSync(`${above}/`).isDirectory()) throw new Error('it is no directory');
    accessSync(above, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new WardenError(
      'config_permissions',
      `can't make the directory ${path}: ${errnoOf(cause) || 'EACCES'}`,
      { hint: 'choose a directory that you may write to (state_dir, agent.socket)', cause },
    );
  }
}

function refuseOpen(path: string): void {
  const found = lstatSync(path);
  const uid = process.getuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) {
    throw new WardenError('config_permissions', `${path} is not a directory of your own`, {
      hint: 'remove it or choose another (state_dir, agent.socket)',
    });
  }
  if ((found.mode & 0o077) !== 0) {
    throw new WardenError(
      'config_permissions',
      `${path} can be entered by others (mode ${(found.mode & 0o777).toString(8)})`,
      {
        hint: `chmod 700 ${path}`,
      },
    );
  }
}
