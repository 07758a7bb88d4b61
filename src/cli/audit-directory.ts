/** Where the trail is, by configuration. */
import { join } from 'node:path';
import { configOf } from './configuration.ts';
import type { CommonFlags } from './context.ts';

/** `<state_dir>/audit`. Throws what the configuration throws. */
export function auditDirectory(flags: CommonFlags): string {
  return join(configOf(flags).stateDir, 'audit');
}
