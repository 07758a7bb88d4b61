/** `warden why [host]`: the last refusals and failed mints, and what to do. */
import { Command } from 'commander';
import { fetchRefusals } from '../control/client.ts';
import type { Refusal } from '../control/messages.ts';
import { EXIT } from '../errors.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

function render({ time, code, message, hint, hosts, lane }: Refusal): string {
  const where = hosts.length === 0 ? 'an unnamed host' : hosts.join(', ');
  const covered = lane === undefined ? '' : `, lane ${lane}`;
  const todo = hint === '' ? [] : [`  → ${hint}`];
  return [`${time}  ${where}${covered}`, `  ${message} (${code})`, ...todo].join('\n');
}

export function whyCommand(): Command {
  return new Command('why')
    .description('why a login got no certificate, and what to do: the last refusals, newest first')
    .argument('[host]', 'only for this host')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden why web1.prod.example.com')
    .action(
      action(async (host: string | undefined, flags: CommonFlags & { json?: boolean }) => {
        const refusals = await fetchRefusals(daemonSockets(flags), host);
        if (flags.json === true) printJson(refusals);
        else if (refusals.length > 0) print(refusals.map(render).join('\n'));
        else
          print(
            host === undefined
              ? 'nothing was refused since the agent started'
              : `nothing was refused for ${host} since the agent started`,
          );
        if (refusals.length === 0) process.exitCode = EXIT.no;
      }),
    );
}
