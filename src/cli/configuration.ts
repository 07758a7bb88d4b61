/** The configuration that a command works by. */

import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { type CommonFlags, pathInput } from './context.ts';

/** Throws what the configuration throws. */
export function configOf(flags: CommonFlags): Config {
  return loadConfig({ ...pathInput(flags), shippedCatalog: shippedCatalog() });
}
