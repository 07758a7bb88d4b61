/** `warden why [host]`: the last refusals and failed mints, and what to do. */
import type { Command } from 'commander';
import { type ControlSockets, fetchRefusals, fetchStatus } from '../control/client.ts';
import type { Refusal, Status } from '../control/messages.ts';
import { EXIT } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';
import { declareOptions, type Flags, type Options } from './options.ts';

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

export const WHY_OPTIONS = {
  config: { type: 'string', value: '<file>', about: 'the configuration: warden.yaml' },
  json: { type: 'boolean', about: 'for a program' },
} as const satisfies Options;

/** `sockets` is called for each question. Throws `not_running`. */
export async function why(
  host: string | undefined,
  flags: Flags<typeof WHY_OPTIONS>,
  sockets: () => ControlSockets,
): Promise<void> {
  const refusals = await fetchRefusals(sockets(), host);
  if (flags.json === true) printJson(refusals);
  else if (refusals.length > 0) print(refusals.map(render).join('\n'));
  else print(nothing(host, await fetchStatus(sockets())));
  if (refusals.length === 0) process.exitCode = EXIT.no;
}

export function whyCommand(command: Command): void {
  declareOptions(command.argument('[host]', 'only for this host'), WHY_OPTIONS)
    .addHelpText('after', '\nExample:\n  $ warden why web1.prod.example.com')
    .action(
      action((host: string | undefined, flags: Flags<typeof WHY_OPTIONS>) =>
        why(host, flags, () => daemonSockets(flags)),
      ),
    );
}
