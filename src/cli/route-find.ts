/** `warden route find`: who serves a need, at once. */
import { find } from '../catalog/find/find.ts';
import { WardenError } from '../errors.ts';
import { print, printJson } from './context.ts';
import type { Flags } from './options.ts';
import { catalogOf } from './route-catalog.ts';
import type { FIND_OPTIONS } from './route-options.ts';
import { foundJson, OUTCOME_EXIT, renderFound } from './route-text.ts';

/** Prints what it finds; the exit code is the outcome's. Throws `usage`, and what warden.yaml throws. */
export async function findRoute(words: readonly string[], flags: Flags<typeof FIND_OPTIONS>): Promise<void> {
  const need = words.join(' ');
  if (need.trim() === '')
    throw new WardenError('usage', 'which need?', { hint: 'warden route find "npm token"' });
  const catalog = await catalogOf(flags);
  const found = find(catalog.index, need, flags.all === true);
  if (flags.json === true) printJson(foundJson(need, found, catalog));
  else print(renderFound(need, found, catalog));
  process.exitCode = OUTCOME_EXIT[found.outcome];
}
