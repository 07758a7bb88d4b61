/** `warden audit verify`: is the trail what warden wrote? */
import { Command } from 'commander';
import { EXIT } from '../errors.ts';
import { renderVerification, verifyTrail } from '../trail/verify.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';

export function auditCommand(): Command {
  const verify = new Command('verify')
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
  return new Command('audit').description('the trail').addCommand(verify);
}
