/** Reads the whole catalog and keeps it for the next search. */
import { catalogPlaces, type LoadInput } from '../../config/load.ts';
import { runtimePaths } from '../../config/runtime-paths.ts';
import { viewOf } from '../route-view.ts';
import { loadRoutes } from '../routes.ts';
import { indexOf } from './index-data.ts';
import { keepStore } from './keep-store.ts';
import type { Searchable } from './store.ts';

/** As openCatalog() has it; `path` and `key` are the store's. */
export function readCatalog(input: LoadInput, path: string, key: string): Searchable {
  const began = Date.now();
  const { routes, problems, read } = loadRoutes(catalogPlaces(input));
  const { configFile } = runtimePaths(input);
  const views = routes.map(viewOf);
  // `read` has directories too, where a new file shows.
  const sources = [configFile, ...read];
  return keepStore(path, { key, views, index: indexOf(views), wrong: problems.length, sources, began });
}
