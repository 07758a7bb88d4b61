/** `warden cleanup`: takes certificates out of state_dir that serve nobody any more. */
import type { Command } from 'commander';
import { removeFile, staleFiles } from '../issuance/on-file.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';

export function cleanupCommand(command: Command): void {
  command
    .argument('[actor]', 'only of this actor')
    .option('--dry-run', 'only say what would go')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Looks at ACTOR-cert.pub in state_dir, and at what warden issue keeps in state_dir/keys: what has expired goes, and what is of no
actor of the inventory. Files elsewhere (--out) are yours.

Example:
  $ warden cleanup --dry-run`,
    )
    .action(
      action(async (actor: string | undefined, flags: CommonFlags & { dryRun?: boolean; json?: boolean }) => {
        const { stateDir, actors } = configOf(flags);
        const stale = staleFiles(stateDir, Date.now(), new Set(actors.keys()), actor);
        if (flags.dryRun !== true) for (const { path } of stale) removeFile(path);
        if (flags.json === true) return printJson(stale);
        const verb = flags.dryRun === true ? 'would remove' : 'removed';
        const lines = stale.map(({ path, why }) => sanitizeLine(`${verb} ${path}: ${why}`));
        print(lines.length === 0 ? 'nothing to clean up' : lines.join('\n'));
      }),
    );
}
