/** The catalog, ready to be searched: as it was kept, or read anew where anything has changed. */
import { resolve } from 'node:path';
import type { LoadInput } from '../../config/load.ts';
import { runtimeDirs, runtimePaths } from '../../config/runtime-paths.ts';
import { VERSION } from '../../version.ts';
import { readStore, type Searchable, storePath } from './store.ts';

/** Throws what warden.yaml throws; what is wrong in the catalog is left out of it and counted. */
export async function openCatalog(input: LoadInput): Promise<Searchable> {
  const paths = runtimePaths(input);
  // A relative one starts at the working directory.
  const layer = resolve(input.env['WARDEN_CATALOG_PATH'] ?? '/');
  const key = [
    VERSION,
    input.shippedCatalog ?? '',
    paths.configFile,
    paths.configNamed ? 'named' : '',
    input.home,
    layer,
  ].join('\n');
  const [directory = '/'] = runtimeDirs(input, paths.stateDir.value);
  const path = storePath(directory, key);
  const kept = readStore(path, key);
  if (kept !== undefined) return kept;
  const { readCatalog } = await import('./read-catalog.ts');
  return readCatalog(input, path, key);
}
