/** `warden log`: the history of certificates, of one actor or all, in ops-warden's form. */
import { type Command, InvalidArgumentError } from 'commander';
import { renderSignatures, type Signature, signatureOf, signatureOfPast } from '../activity/history.ts';
import { renderJson } from '../activity/render.ts';
import { readWithBar, viewInput } from './activity-view.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, print } from './context.ts';

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('a number, such as 20');
  return Number(text);
}

async function signatures(flags: CommonFlags): Promise<Signature[]> {
  const input = viewInput(configOf(flags));
  const sources = input.sources.filter(({ past }) => past === true);
  const { joins } = await readWithBar({ ...input, sources, since: 0, until: Date.now() });
  const own = [...joins.stories()].flatMap(({ issuance }) => signatureOf(issuance) ?? []);
  const past = joins.others.flatMap(({ seen }) => (seen.kind === 'past' ? [signatureOfPast(seen)] : []));
  return [...past, ...own].sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
}

export function logCommand(command: Command): void {
  command
    .argument('[actor]', 'only of this actor')
    .option('--last <n>', 'how many, the newest', count, 20)
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden log agt-state-hub-bridge --last 5')
    .action(
      action(async (actor: string | undefined, flags: CommonFlags & { last: number; json?: boolean }) => {
        const all = await signatures(flags);
        const wanted = all.filter((each) => actor === undefined || each.actor === actor).slice(-flags.last);
        print(flags.json === true ? renderJson(wanted) : renderSignatures(wanted));
      }),
    );
}
