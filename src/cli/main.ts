/** The command line: one file per command, thin: parse, call, print. `scripts/warden` starts it. */
import { CommanderError } from 'commander';
import { EXIT } from '../errors.ts';
import { wardenProgram } from './commands.ts';

// `warden activity | head`: whoever reads no further has what they want.
process.stdout.on('error', () => process.exit(EXIT.ok));

// The first word is the command; in `warden help status` it is the second.
const words = process.argv.slice(2, 4);
wardenProgram((name) => words.includes(name))
  .then((program) => program.parseAsync())
  .catch((thrown: unknown) => {
    if (!(thrown instanceof CommanderError)) throw thrown;
    // commander ends with 1 on wrong usage; sysexits.h and interface.md have 64 for it.
    process.exit(thrown.exitCode === 0 ? EXIT.ok : EXIT.usage);
  });
