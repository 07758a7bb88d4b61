/** `warden status`: the daemon, OpenBao, the lanes. */
import type { Command } from 'commander';
import { type ControlSockets, fetchStatus } from '../control/client.ts';
import type { Status } from '../control/messages.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';
import { declareOptions, type Flags, type Options } from './options.ts';

function render(status: Status): string {
  const { openbao: bao } = status;
  const rows: [string, string][] = [
    ['agent', `warden ${status.version}, process ${status.pid}, since ${status.started}`],
    ['socket', status.socket],
    ['upstream', status.upstream ?? 'none'],
    ['configuration', status.config ?? 'defaults (no warden.yaml)'],
    ['mints', status.relay_only === null ? 'yes' : `no: ${status.relay_only}`],
    ...(status.reload_refused === null
      ? []
      : [['reload refused', status.reload_refused] satisfies [string, string]]),
    ['lanes', status.lanes.join(', ') || 'none'],
  ];
  if (bao !== null) {
    const skew = bao.skew_ms === null ? '' : `, clock ${(bao.skew_ms / 1000).toFixed(1)} s from ours`;
    rows.push(
      ['OpenBao', `${bao.addresses.join(', ')}, mount ${bao.mount}${skew}`],
      ['credential', `${bao.credential}${bao.identity === null ? '' : `, ${bao.identity}`}`],
      ['SSH CA', bao.ssh_ca.join(', ') || 'not learnt yet'],
    );
    if (bao.paused !== null) rows.push(['paused', bao.paused]);
  }
  rows.push([
    'certificates',
    `${status.minted} minted, ${status.signed} used, ${status.live_certificates} live; ${status.refused} refusals (warden why)`,
  ]);
  if (status.waiting_for_login > 0)
    rows.push(['waiting', `${status.waiting_for_login} for a login to OpenBao: warden login`]);
  for (const warning of status.warnings) rows.push(['warning', warning]);
  return rows.map(([name, value]) => sanitizeLine(`${name.padEnd(14)}${value}`)).join('\n');
}

export const STATUS_OPTIONS = {
  config: { type: 'string', value: '<file>', about: 'the configuration: warden.yaml' },
  json: { type: 'boolean', about: 'for a program' },
} as const satisfies Options;

type StatusFlags = Flags<typeof STATUS_OPTIONS>;

/** The agent's. Throws `not_running`. */
export async function showStatus(sockets: ControlSockets, flags: StatusFlags): Promise<void> {
  const status = await fetchStatus(sockets);
  if (flags.json === true) printJson(status);
  else print(render(status));
}

async function show(actor: string | undefined, flags: StatusFlags): Promise<void> {
  if (actor === undefined) return showStatus(daemonSockets(flags), flags);
  const { showActor } = await import('./status-actor.ts');
  return showActor(actor, flags, flags.json === true);
}

export function statusCommand(command: Command): void {
  declareOptions(
    command.argument(
      '[actor]',
      "in place of the agent: this actor's certificates in files; exit 1 where none is valid",
    ),
    STATUS_OPTIONS,
  )
    .addHelpText('after', '\nExamples:\n  $ warden status --json\n  $ warden status agt-state-hub-bridge')
    .action(action(show));
}
