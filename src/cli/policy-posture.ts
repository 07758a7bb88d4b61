/** `warden policy list` and `show`: the environments and levels that a secret's way is judged by. */
import type { Command } from 'commander';
import { WardenError } from '../errors.ts';
import { ENVIRONMENTS, type Lattice } from '../posture/lattice.ts';
import { readLattice } from '../posture/lattice-file.ts';
import { action, type CommonFlags, pathInput, print, printJson } from './context.ts';

interface Flags extends CommonFlags {
  readonly posture?: string;
  readonly json?: boolean;
}

type Shown = Readonly<Record<string, string | number | boolean | readonly string[] | null>> & {
  readonly id: string;
  readonly title: string;
};

/** Everything that has an id, as it is printed. */
function shown({ environments, levels, floors }: Lattice): readonly Shown[] {
  return [
    ...ENVIRONMENTS.map((id) => {
      const { title, backend, unseal, realValues } = environments[id];
      return { id, kind: 'environment', title, backend, unseal, real_values: realValues };
    }),
    ...levels.map(({ id, title, rank }) => {
      // Null: nobody has said which classes there are.
      const needed =
        floors === undefined ? null : [...floors].flatMap(([name, floor]) => (floor === id ? [name] : []));
      return { id, kind: 'maturity', title, rank, data_classes: needed };
    }),
  ];
}

function valueText(value: Shown[string]): string {
  if (value === null) return 'not known';
  if (typeof value === 'object') return value.length === 0 ? 'none' : value.join(', ');
  return typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);
}

function latticeOf(flags: Flags): Lattice {
  return readLattice(flags.posture, pathInput(flags).uid);
}

function list(flags: Flags): void {
  const all = shown(latticeOf(flags));
  if (flags.json === true) printJson(all);
  else
    for (const { id, title, kind } of all)
      print(`${id.padEnd(5)} ${valueText(kind ?? '').padEnd(11)} ${title}`);
}

function show(id: string, flags: Flags): void {
  const all = shown(latticeOf(flags));
  const one = all.find((each) => each.id === id);
  if (one === undefined)
    throw new WardenError('usage', `there is no environment and no level ${id}`, {
      hint: `one of ${all.map((each) => each.id).join(', ')}`,
    });
  if (flags.json === true) printJson(one);
  else for (const [key, value] of Object.entries(one)) print(`${key.padEnd(12)} ${valueText(value)}`);
}

/** Adds both to `warden policy`. */
export function postureOfPolicy(command: Command): void {
  const posture = 'another file than the shipped one (catalog/posture/posture.yaml)';
  command
    .command('list')
    .description('the environments and levels of maturity that posture is judged by')
    .option('--posture <file>', posture)
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden policy list --json')
    .action(action(async (flags: Flags) => list(flags)));
  command
    .command('show')
    .description('one of them: what it is, and which data classes need it')
    .argument('<id>', 'dev, test, prod, M0 … M3')
    .option('--posture <file>', posture)
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden policy show M2')
    .action(action(async (id: string, flags: Flags) => show(id, flags)));
}
