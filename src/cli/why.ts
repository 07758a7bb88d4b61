/** `warden why [host]`: the last refusals and failed mints, and what to do. */
import type { Command } from 'commander';
import { fetchRefusals, fetchStatus } from '../control/client.ts';
import type { Refusal, Status } from '../control/messages.ts';
import { EXIT } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

function render({ time, code, message, hint, hosts, lane }: Refusal): string {
  const where = hosts.length === 0 ? 'an unnamed host' : hosts.join(', ');
  const covered = lane === undefined ? '' : `, lane ${lane}`;
  const todo = hint === '' ? [] : [`  → ${hint}`];
  // Names and messages come from known_hosts, from ssh's arguments and from OpenBao.
  return [`${time}  ${where}${covered}`, `  ${message} (${code})`, ...todo].map(sanitizeLine).join('\n');
}

/** Nothing was refused: where else the reason may be. */
function nothing(host: string | undefined, { started, relay_only }: Status): string {
  if (relay_only !== null) return sanitizeLine(`nothing is minted at all: ${relay_only}`);
  const what = host === undefined ? 'nothing was refused' : `nothing was refused for ${host}`;
  return [
    sanitizeLine(`${what} since the agent started (${started})`),
    sanitizeLine(
      `  → if ssh got no certificate, it asked another agent: ssh -G ${host ?? 'HOST'} | grep -i identit; warden env`,
    ),
  ].join('\n');
}

export function whyCommand(command: Command): void {
  command
    .argument('[host]', 'only for this host')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden why web1.prod.example.com')
    .action(
      action(async (host: string | undefined, flags: CommonFlags & { json?: boolean }) => {
        const refusals = await fetchRefusals(daemonSockets(flags), host);
        if (flags.json === true) printJson(refusals);
        else if (refusals.length > 0) print(refusals.map(render).join('\n'));
        else print(nothing(host, await fetchStatus(daemonSockets(flags))));
        if (refusals.length === 0) process.exitCode = EXIT.no;
      }),
    );
}
