/** `warden agent socket`: where a destination socket is; the daemon opens it. */
import type { Command } from 'commander';
import { requestSocket } from '../control/client.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

interface SocketFlags extends CommonFlags {
  readonly lane?: string;
  readonly login?: string;
  readonly json?: boolean;
}

export function socketCommand(command: Command): void {
  command
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
that name alone as principal. A lane with logins ["*"] has one for a name once it was asked for (--login), until the agent ends.

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
