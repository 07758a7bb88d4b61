/** `warden doubles`: stand-ins of bao and key-cape for dev and test. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { installDoubles } from '../posture/doubles.ts';
import { shellWord } from '../system/shell-word.ts';
import { action, note, print } from './context.ts';

export function doublesCommand(command: Command): void {
  command
    .requiredOption('--dir <directory>', 'where to; one of its own, which is made')
    .addHelpText(
      'after',
      `
Prints what puts them first in PATH. A program of the name that is no double is never overwritten. What the doubles answer is said by
bao.paths and key-cape.answers in the directory.

Example:
  $ eval "$(warden doubles --dir .doubles)" && bao kv get -field=API_KEY platform/workloads/example/app`,
    )
    .action(
      action(async ({ dir }: { readonly dir: string }) => {
        const directory = resolve(dir);
        for (const path of installDoubles(directory)) note(path);
        print(`PATH=${shellWord(directory)}:$PATH; export PATH;`);
      }),
    );
}
