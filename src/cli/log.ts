/** `warden log`: the history of certificates, of one actor or all. */
import { type Command, InvalidArgumentError } from 'commander';
import { listIssuances } from '../activity/issuances.ts';
import { renderJson, renderTable } from '../activity/render.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, print } from './context.ts';

const ALL_DAYS = 36_500;

function count(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('a number, such as 20');
  return Number(text);
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
        const all = await listIssuances(auditDirectory(flags), { days: ALL_DAYS, now: Date.now(), actor });
        const list = { ...all, dropped: 0, issuances: all.issuances.slice(-flags.last) };
        print(flags.json === true ? renderJson(list) : renderTable(list));
      }),
    );
}
