/** Puts init's files in their places: private, whole or not at all, and noted in the manifest before they appear. */
import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { readGuarded } from '../config/guarded-file.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';
import { EMPTY_MANIFEST, hashOf, type Manifest, manifestPath, readManifest } from './manifest.ts';

/** A file that is to have this text. */
export interface Planned {
  readonly path: string;
  readonly text: string;
  /** What stands there now; undefined: nothing. */
  readonly before: string | undefined;
}

/** Looks at what is there: a link stays one, and the file that it leads to is meant. Throws what `readGuarded` throws. */
export function plan(texts: ReadonlyMap<string, string>, uid: number): readonly Planned[] {
  return [...texts].map(([named, text]) => {
    const path = existsSync(named) ? realpathSync(named) : named;
    return { path, text, before: readGuarded(path, uid) };
  });
}

/** Makes a directory and those above it, 0700 each. Returns the ones that had to be made, the outer first. */
export function makeDirectory(directory: string): string[] {
  if (existsSync(directory)) return [];
  const made = makeDirectory(dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
  return [...made, directory];
}

/**
 * Writes the files that differ and makes `directories`. Throws `config_permissions` where the system refuses; what was made until then
 * stands in the manifest.
 */
export function writeFiles(
  configFile: string,
  planned: readonly Planned[],
  directories: readonly string[],
  uid: number,
): void {
  const earlier = readManifest(configFile, uid) ?? EMPTY_MANIFEST;
  const changed = planned.filter(({ text, before }) => text !== before);
  const files = new Map(earlier.files.map((entry) => [entry.path, entry]));
  for (const { path, text, before } of changed) {
    // What stood there before the first init is what undo brings back.
    const first = files.get(path);
    files.set(path, {
      path,
      sha256: hashOf(text),
      before: first === undefined ? (before ?? null) : first.before,
    });
  }
  try {
    const made = [dirname(configFile), ...changed.map(({ path }) => dirname(path)), ...directories].flatMap(
      makeDirectory,
    );
    const manifest: Manifest = {
      version: 1,
      files: [...files.values()],
      directories: [...new Set([...earlier.directories, ...made])],
    };
    replaceFile(manifestPath(configFile), `${JSON.stringify(manifest, null, 2)}\n`);
    for (const { path, text } of changed) replaceFile(path, text);
  } catch (cause) {
    if (errnoOf(cause) === '') throw cause;
    throw new WardenError('config_permissions', `can't write the configuration: ${String(cause)}`, {
      hint: 'choose a place that you may write to: --config, XDG_CONFIG_HOME',
      cause,
    });
  }
}
