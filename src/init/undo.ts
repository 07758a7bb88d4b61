/**
 * `warden init --undo`: what init wrote goes, what stood there before comes back, what somebody has changed since stays. With `state` goes
 * also what the daemon keeps: trail, pinned CAs, log, sockets. Files of other names are left, and so are the directories that hold them.
 */
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readGuarded } from '../config/guarded-file.ts';
import { replaceFile } from '../system/replace-file.ts';
import { hashOf, type Manifest, manifestPath, readManifest } from './manifest.ts';

export interface Undone {
  readonly removed: readonly string[];
  readonly restored: readonly string[];
  /** Changed since init wrote them. */
  readonly kept: readonly string[];
}

/** In state_dir. */
const STATE_NAMES = [
  'audit',
  'audit.key',
  'break-glass.json',
  'promotions',
  'ssh-ca.json',
  'agent.log',
  'worker-seen.jsonl',
  'worker-drafts.json',
  'worker-digest.md',
  'worker-checks.json',
  'worker-tick.log',
  'worker.lock',
  'worker-checks.lock',
] as const;
/** In the directory of the daemon's sockets; `route` is what was read of the catalog. */
const RUNTIME_NAMES = ['agent.sock', 'control.sock', 'agent.pid', 'daemons', 'to', 'lane', 'route'] as const;

/** Removes the directories that are empty, the inner first; returns those. */
function removeEmpty(directories: readonly string[]): string[] {
  return directories.toReversed().filter((directory) => {
    try {
      rmdirSync(directory);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Undoes init's files; with `force` also those that were changed since. Undefined: init has written nothing.
 * Throws what `readManifest` throws.
 */
export function undoFiles(configFile: string, uid: number, force: boolean): Undone | undefined {
  const manifest = readManifest(configFile, uid);
  if (manifest === undefined) return undefined;
  const removed: string[] = [];
  const restored: string[] = [];
  const kept: Manifest['files'] = [];
  for (const file of manifest.files) {
    const now = readGuarded(file.path, uid);
    if (now === undefined && file.before === null) continue;
    if (now !== undefined && hashOf(now) !== file.sha256 && !force) kept.push(file);
    else if (file.before !== null) {
      replaceFile(file.path, file.before);
      restored.push(file.path);
    } else {
      rmSync(file.path);
      removed.push(file.path);
    }
  }
  const list = manifestPath(configFile);
  if (kept.length === 0) {
    rmSync(list);
    removed.push(list, ...removeEmpty(manifest.directories));
  } else {
    replaceFile(list, `${JSON.stringify({ ...manifest, files: kept }, null, 2)}\n`);
  }
  return { removed, restored, kept: kept.map(({ path }) => path) };
}

function removeNames(directory: string, names: readonly string[]): string[] {
  const present = new Set(listOf(directory));
  return names
    .filter((name) => present.has(name))
    .map((name) => {
      const path = join(directory, name);
      rmSync(path, { recursive: true, force: true });
      return path;
    });
}

function listOf(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Removes what a daemon keeps in `stateDir` and beside its sockets; directories only where nothing else is in them. */
export function removeState(stateDir: string, socketDirectories: readonly string[]): readonly string[] {
  const runtime = [...new Set(socketDirectories)].flatMap((directory) => [
    ...removeNames(directory, RUNTIME_NAMES),
    ...removeEmpty([directory]),
  ]);
  return [...runtime, ...removeNames(stateDir, STATE_NAMES), ...removeEmpty([stateDir])];
}
