/** The command line as commander reads it. */
import { CommanderError } from 'commander';
import { EXIT } from '../errors.ts';
import { wardenProgram } from './commands.ts';

/** Runs what this process was called with. */
export async function runProgram(): Promise<void> {
  // The first word is the command; in `warden help status` it is the second.
  const words = process.argv.slice(2, 4);
  const program = await wardenProgram((name) => words.includes(name));
  try {
    await program.parseAsync();
  } catch (thrown) {
    if (!(thrown instanceof CommanderError)) throw thrown;
    // commander ends with 1 on wrong usage; sysexits.h and interface.md have 64 for it.
    process.exit(thrown.exitCode === 0 ? EXIT.ok : EXIT.usage);
  }
}
