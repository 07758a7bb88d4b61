/** Which files a catalog is: the package's own, and the layers of `catalog_path` over it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkDirectory } from '../config/guarded-file.ts';
import { ConfigError } from '../config/problems.ts';
import { errnoOf } from '../errors.ts';

export interface CatalogPlaces {
  /** The package's own catalog, the lowest layer; undefined: none. */
  readonly shipped: string | undefined;
  /** Directories with `*.yaml`, or single files, the lowest first. One that doesn't exist is empty. */
  readonly layers: readonly string[];
  /** The user that files of the layers may belong to, beside root; undefined: anybody's, which are looked at and not followed. */
  readonly uid: number | undefined;
}

/** A layer, and whose its files may be: `readGuarded`. */
export interface Layer {
  readonly path: string;
  readonly uid: number | undefined;
}

const MAX_FILES = 1000;

/** The layers, the lowest first. */
export function layersOf({ shipped, layers, uid }: CatalogPlaces): readonly Layer[] {
  const lowest = shipped === undefined ? [] : [{ path: shipped, uid: undefined }];
  return [...lowest, ...layers.map((path) => ({ path, uid }))];
}

/** The files of a layer in the order of their names. Throws ConfigError. */
export function filesOf({ path: layer, uid }: Layer): readonly string[] {
  try {
    if (!statSync(layer).isDirectory()) return [layer];
    const names = readdirSync(layer).filter((name) => name.endsWith('.yaml') && !name.startsWith('.'));
    // An empty directory that others may write is refused too: it would not stay empty.
    if (uid !== undefined) checkDirectory(layer, layer, uid);
    if (names.length > MAX_FILES) throw unusable(layer, `has more than ${MAX_FILES} files`);
    return names.sort().map((name) => join(layer, name));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (errnoOf(error) === 'ENOENT') return [];
    throw unusable(layer, `can't be read (${errnoOf(error)})`);
  }
}

function unusable(file: string, message: string): ConfigError {
  const hint = 'name a readable directory with *.yaml files';
  return new ConfigError({ code: 'config_invalid', file, line: undefined, key: '', message, hint });
}
