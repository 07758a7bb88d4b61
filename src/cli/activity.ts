/** `warden activity`: what was issued, to whom, for where. */
import { type Command, InvalidArgumentError } from 'commander';
import { listIssuances } from '../activity/issuances.ts';
import { renderJson, renderTable } from '../activity/render.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, print } from './context.ts';

function parseDays(text: string): number {
  const days = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || days <= 0) throw new InvalidArgumentError('a number of days, such as 7');
  return days;
}

export function activityCommand(command: Command): void {
  command
    .option('--days <n>', 'how far back', parseDays, 7)
    .option('--host <name>', 'only for this host')
    .option('--actor <name>', 'only for this actor')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden activity --days 1 --json')
    .action(
      action(async (flags: CommonFlags & { days: number; host?: string; actor?: string; json?: boolean }) => {
        const { days, host, actor } = flags;
        const list = await listIssuances(auditDirectory(flags), { days, now: Date.now(), host, actor });
        print(flags.json === true ? renderJson(list) : renderTable(list));
      }),
    );
}
