/** Where the trail is, by configuration. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { configOf } from './configuration.ts';
import type { CommonFlags } from './context.ts';

/** `<state_dir>/audit`. */
export function auditDirectoryOf({ stateDir }: Pick<Config, 'stateDir'>): string {
  return join(stateDir, 'audit');
}

/** The same, by flags. Throws what the configuration throws. */
export function auditDirectory(flags: CommonFlags): string {
  return auditDirectoryOf(configOf(flags));
}
