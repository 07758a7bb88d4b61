/** `warden doctor [host]`: the way of a login, step by step: what is so, where it comes from, what to do. */
import type { Command } from 'commander';
import { shippedCatalog } from '../config/package-paths.ts';
import { doctor, exitOf } from '../doctor/doctor.ts';
import { fix } from '../doctor/fix.ts';
import { renderReport } from '../doctor/render.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, type CommonFlags, pathInput, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

type Flags = CommonFlags & { json?: boolean; fix?: boolean; login?: boolean };

/** A repair may uncover the next: a directory's rights hide its files'. */
const MAX_ROUNDS = 3;

export function doctorCommand(command: Command): void {
  command
    .usage('[options] [[user@]host] [-- ssh options]')
    .argument('[words...]', 'the host, as for ssh; options of ssh after --')
    .option('--login', 'also log in, really (twice: with warden, and without), and say what the host takes')
    .option('--fix', 'set right what is safe: rights of files, a dead agent’s socket')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Makes no certificate and logs in nowhere without --login. It runs ssh -G, and so what your Match exec lines say.
Exit: 0 nothing stands in the way, 1 something does, 2 that could not be told.

Examples:
  $ warden doctor
  $ warden doctor ops@web1.example.com --login
  $ warden doctor --json web1 -- -p 2222 -F ./ssh_config`,
    )
    .action(
      action(async (words: string[], flags: Flags) => {
        const input = { ...pathInput(flags), env: { ...process.env }, shippedCatalog: shippedCatalog() };
        const env = { ...process.env };
        const look = () =>
          doctor({
            input,
            sockets: () => daemonSockets(flags),
            words,
            login: flags.login === true,
            env: { ...env },
            now: Date.now,
          });
        let seen = await look();
        for (let round = 0; flags.fix === true && round < MAX_ROUNDS; round += 1) {
          const done = fix(seen.facts);
          if (done.length === 0) break;
          for (const line of done) process.stderr.write(`${sanitizeLine(line)}\n`);
          seen = await look();
        }
        if (flags.json === true) printJson(seen.report);
        else print(renderReport(seen.report));
        process.exitCode = exitOf(seen.report);
      }),
    );
}
