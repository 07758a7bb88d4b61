/** `warden lab`: the embedded OpenBao stand-in and SSH server, in the foreground, until it is told to stop. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../system/clock.ts';
import { action, print } from './context.ts';

export function labCommand(): Command {
  return new Command('lab')
    .description(
      'try everything without infrastructure: an OpenBao stand-in and an SSH server on loopback, never for production',
    )
    .option('--dir <directory>', 'where to write the configuration; default: a new temporary directory')
    .addHelpText('after', '\nExample:\n  $ warden lab          then do as it prints, in another shell')
    .action(
      action(async (flags: { dir?: string }) => {
        // The lab's packages (ssh2) are loaded by nobody else.
        const { startLab } = await import('../lab/lab.ts');
        const dir = flags.dir ?? mkdtempSync(join(tmpdir(), 'warden-lab-'));
        const lab = await startLab({ dir, clock: systemClock });
        for (const [name, value] of Object.entries(lab.exports)) print(`export ${name}='${value}'`);
        await new Promise<void>((resolve) => {
          process.once('SIGINT', () => resolve());
          process.once('SIGTERM', () => resolve());
        });
        await lab.stop();
      }),
    );
}
