/** `warden agent`: the launcher starts the daemon itself; here are its help, `--stop` and `socket`. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { controlSockets, fetchStatus, requestSocket, requestStop } from '../control/client.ts';
import { servedConfig } from '../control/signposts.ts';
import { WardenError } from '../errors.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

/** A daemon lets logins end for 5 s. */
const STOP_DEADLINE_MS = 6_000;
const LOOK_EVERY_MS = 20;

/** Stops the daemon and waits until its place is free. */
async function stopAgent(flags: CommonFlags): Promise<void> {
  const sockets = daemonSockets(flags);
  const { pid, socket } = await fetchStatus(sockets);
  const control = controlSockets([socket]);
  await requestStop(control);
  const deadline = performance.now() + STOP_DEADLINE_MS;
  const gone = () =>
    fetchStatus(control).then(
      (status) => status.pid !== pid,
      // The pid file is emptied last.
      () => servedConfig(socket) === undefined,
    );
  while (!(await gone())) {
    if (performance.now() > deadline) {
      throw new WardenError('not_running', `the agent (process ${pid}) was told to stop and has not ended`, {
        hint: `kill ${pid}`,
      });
    }
    await sleep(LOOK_EVERY_MS);
  }
}

interface SocketFlags extends CommonFlags {
  readonly lane?: string;
  readonly login?: string;
  readonly json?: boolean;
}

function socketCommand(): Command {
  return new Command('socket')
    .description('print the path of a destination socket, for clients that send no session-bind')
    .argument('[host]', 'the host that the socket is for; with a port: [host]:port')
    .option('--lane <id>', 'for all hosts of a lane, in place of a host')
    .option('--login <name>', 'for logins under this name only, with principals to match')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Without a session-bind nothing proves where a login goes: such a client gets a certificate only where the lane says
unbound: allow. OpenSSH needs no such socket; with one per login name (IdentityAgent DIR/%r.sock) its certificates carry
that name alone as principal.

Examples:
  $ SSH_AUTH_SOCK=$(warden agent socket web1) plink ops@web1
  $ warden agent socket --lane legacy --login deploy`,
    )
    .action(
      action(async (host: string | undefined, flags: SocketFlags) => {
        const { lane, login } = flags;
        const path = await requestSocket(daemonSockets(flags), { host, lane, login });
        if (flags.json === true) printJson({ path });
        else print(path);
      }),
    );
}

export function agentCommand(): Command {
  return new Command('agent')
    .description('run the agent in the foreground (or: --background, --stop, --check)')
    .enablePositionalOptions()
    .addCommand(socketCommand())
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--socket <path>', 'where to listen')
    .option('--upstream <path>', 'the agent behind this one, or none')
    .option('--background', 'run in the background and print what ssh needs, as ssh-agent does')
    .option('--stop', 'stop the running agent')
    .option('--check', 'check the configuration and do nothing else')
    .addHelpText(
      'after',
      `
Examples:
  $ eval "$(warden agent --background)"     twice is harmless
  $ warden agent --stop
  $ warden agent --check                    exit 0, or 78 and what is wrong`,
    )
    .action(
      action(async (flags: CommonFlags & { stop?: boolean }) => {
        if (flags.stop !== true) {
          throw new WardenError('usage', 'the agent is started by the launcher', {
            hint: 'scripts/warden agent',
          });
        }
        await stopAgent(flags);
        print('stopped');
      }),
    );
}
