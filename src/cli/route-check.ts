/** `warden route check`: every mistake of the catalog, with the file, line and column that it stands at. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkCatalog } from '../catalog/check.ts';
import type { CatalogPlaces } from '../catalog/layers.ts';
import { loadRoutes } from '../catalog/routes.ts';
import { catalogPlaces } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import type { Problem } from '../config/problems.ts';
import { EXIT, WardenError } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { type CommonFlags, print, printJson } from './context.ts';
import { catalogInput } from './route-catalog.ts';

/** Files that were named may be anybody's: they are looked at, not followed. */
function placesOf(paths: readonly string[], flags: CommonFlags): CatalogPlaces {
  if (paths.length === 0) return catalogPlaces(catalogInput(flags));
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined)
    throw new WardenError('config_missing', `there is no ${missing}`, { hint: 'name a file or a directory' });
  return { shipped: shippedCatalog(), layers: paths.map((path) => resolve(path)), uid: undefined };
}

function lineOf({ file, line, column, key, message, hint }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  return sanitizeLine(`${place}: ${key === '' ? '' : `${key}: `}${message} (${hint})`);
}

/** Prints every mistake; exit 1 where there is one. Throws what warden.yaml throws. */
export function checkRoutes(paths: readonly string[], flags: CommonFlags, json: boolean): void {
  const routes = loadRoutes(placesOf(paths, flags));
  const found = checkCatalog(routes, Date.now());
  if (json) {
    printJson(
      found.map(({ file, line = null, column = null, key, message, hint }) => ({
        file,
        line,
        column,
        key,
        message,
        hint,
      })),
    );
  } else if (found.length === 0) {
    print(`${routes.routes.length} entries are good`);
  } else {
    print(found.map(lineOf).join('\n'));
  }
  if (found.length > 0) process.exitCode = EXIT.no;
}
