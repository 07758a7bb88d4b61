/** `warden gap`: what warden is for beside what is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../config/package-paths.ts';
import { type Aim, type Capability, gapOf, missingEvidence } from '../gap/gap.ts';
import { action, print, printJson } from './context.ts';

const SHOWN = { met: 'met', partial: 'partial', open: 'OPEN' } as const;

function renderAim({ id, about, status, carriedBy }: Aim): readonly string[] {
  const without = carriedBy.filter((each) => each.status !== 'shipped');
  const evidence = [...new Set(carriedBy.flatMap((each) => each.evidence))];
  return [
    `${id}  ${SHOWN[status].padEnd(7)}  ${about}`,
    ...without.map((each) => `             lacks ${each.id} (${each.status}, ${each.owner}): ${each.about}`),
    `             evidence: ${evidence.join(', ')}`,
  ];
}

function gap({ json }: { json?: boolean }): void {
  const root = packageRoot();
  const page = (name: string) => readFileSync(join(root, name), 'utf8');
  const { aims, remaining } = gapOf(page('INTENT.md'), page('SCOPE.md'));
  const all: readonly Capability[] = aims.flatMap(({ carriedBy }) => carriedBy);
  const missing = [...new Set(all.flatMap((each) => missingEvidence(root, each) ?? []))];
  const isMet = aims.every(({ status }) => status === 'met') && missing.length === 0;
  if (json === true) printJson({ met: isMet, aims, remaining, missing_evidence: missing });
  else {
    print(aims.flatMap(renderAim).join('\n'));
    for (const name of missing) print(`evidence that is not there: ${name}`);
  }
  if (!isMet) process.exitCode = 1;
}

export function gapCommand(command: Command): void {
  command
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Read from INTENT.md and SCOPE.md of this version, which its tests hold to the code. Exit 0: all is met; 1: something is not.

Example:
  $ warden gap --json`,
    )
    .action(action(async (flags: { json?: boolean }) => gap(flags)));
}
