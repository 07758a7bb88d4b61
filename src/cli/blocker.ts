/** `warden blocker`: which kind of thing stands in the way, and the next step. */
import type { Command } from 'commander';
import { EXIT } from '../errors.ts';
import { classifyBlocker } from '../posture/blocker.ts';
import { action, print, printJson } from './context.ts';

export function blockerCommand(command: Command): void {
  command
    .argument('<words...>', 'what stands in the way, in a sentence, with where: dev, test or prod')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Kinds: double (dev and test get synthetic values), owner_custody (prod: the owner and the gate), maturity, ceremony (unsealing), unclear.
Exit status: 0 it is one of them, 1 unclear.

Example:
  $ warden blocker "the report job in test has no API key"`,
    )
    .action(
      action(async (words: readonly string[], flags: { readonly json?: boolean }) => {
        const blocker = classifyBlocker(words.join(' '));
        if (flags.json === true) printJson(blocker);
        else {
          const { kind, because, next, steps, evidence } = blocker;
          print(`${kind}${because.length === 0 ? '' : ` (${because.join(', ')})`}: ${next}`);
          for (const step of steps) print(`  - ${step}`);
          if (evidence.length > 0) print(`  evidence: ${evidence.join(', ')}`);
        }
        if (blocker.kind === 'unclear') process.exitCode = EXIT.no;
      }),
    );
}
