/** The catalog that a command looks into. */
import { openCatalog } from '../catalog/find/open.ts';
import type { Searchable } from '../catalog/find/store.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { type CommonFlags, note, pathInput } from './context.ts';

/** Where the catalog is. */
export function catalogInput(flags: CommonFlags) {
  return { ...pathInput(flags), shippedCatalog: shippedCatalog() };
}

/** The catalog, and a word on stderr where something in it is left out. */
export async function catalogOf(flags: CommonFlags): Promise<Searchable> {
  const catalog = await openCatalog(catalogInput(flags));
  noteMistakes(catalog.wrong);
  return catalog;
}

/** Says that there are mistakes, where there are. */
export function noteMistakes(count: number): void {
  if (count > 0)
    note(`warden: mistakes in the catalog: ${count}; what is wrong is left out (warden route check)`);
}
