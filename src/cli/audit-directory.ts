/** Where the trail is, by configuration. */
import { join } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { type CommonFlags, pathInput } from './context.ts';

/** `<state_dir>/audit`. Throws what the configuration throws. */
export function auditDirectory(flags: CommonFlags): string {
  return join(loadConfig({ ...pathInput(flags), shippedCatalog: shippedCatalog() }).stateDir, 'audit');
}
