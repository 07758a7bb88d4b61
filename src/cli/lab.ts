/** `warden lab`: the embedded OpenBao stand-in and SSH server, in the foreground, until it is told to stop. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../system/clock.ts';
import { shellWord } from '../system/shell-word.ts';
import { action, note, print } from './context.ts';

export function labCommand(command: Command): void {
  command
    .option('--dir <directory>', 'where to write the configuration; default: a new temporary directory')
    .option('--openbao [program]', 'run the real OpenBao (dev mode) in place of the stand-in')
    .addHelpText(
      'after',
      `
Not for production. Prints what to export; runs until Ctrl-C or SIGTERM, and removes the directory if it made it.

Example:
  $ warden lab                             then, in another shell, export what it printed and:
  $ eval "$(warden agent --background)"
  $ ssh -F DIRECTORY/ssh_config lab        a host that the lane covers; \`other\` is one that none covers`,
    )
    .action(
      action(async (flags: { dir?: string; openbao?: string | true }) => {
        // The lab's packages (ssh2) are loaded by nobody else.
        const { startLab, startLabOnOpenBao } = await import('../lab/lab.ts');
        const stopped = new Promise<void>((resolve) => {
          for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
            process.once(signal, () => resolve());
        });
        const made = flags.dir === undefined ? mkdtempSync(join(tmpdir(), 'warden-lab-')) : undefined;
        const options = { dir: made ?? flags.dir ?? '', clock: systemClock, log: note };
        try {
          const { openbao } = flags;
          const lab =
            openbao === undefined
              ? await startLab(options)
              : await startLabOnOpenBao(openbao === true ? 'bao' : openbao, options);
          for (const [name, value] of Object.entries(lab.exports))
            print(`export ${name}=${shellWord(value)};`);
          note(`warden lab (not for production): ready, in ${lab.dir}`);
          note(
            `warden lab (not for production): next: eval "$(warden agent --background)"; ssh -F ${lab.dir}/ssh_config lab`,
          );
          await stopped;
          await lab.stop();
        } finally {
          if (made !== undefined) rmSync(made, { recursive: true, force: true });
        }
      }),
    );
}
