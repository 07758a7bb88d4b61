/** `warden audit verify`: is the trail what warden wrote? */
import type { Command } from 'commander';
import { EXIT } from '../errors.ts';
import { renderVerification, verifyTrail } from '../trail/verify.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';

export function auditCommand(command: Command): void {
  command
    .command('verify')
    .description('check the chain of the trail: exit 0 intact, 1 changed')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden audit verify && echo intact')
    .action(
      action(async (flags: CommonFlags & { json?: boolean }) => {
        const result = await verifyTrail(auditDirectory(flags));
        if (flags.json === true) printJson(result);
        else print(renderVerification(result));
        if (!result.intact) process.exitCode = EXIT.no;
      }),
    );
}
