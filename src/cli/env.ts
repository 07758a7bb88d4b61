/** `warden env`: the launcher answers when a daemon runs with the default socket; the other cases end here. */
import type { Command } from 'commander';
import { fetchStatus } from '../control/client.ts';
import { WardenError } from '../errors.ts';
import { action, type CommonFlags, print } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

export function envCommand(command: Command): void {
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText('after', '\nExample:\n  $ eval "$(warden env)" && ssh host')
    .action(
      action(async (flags: CommonFlags) => {
        const { socket } = await fetchStatus(daemonSockets(flags));
        if (socket.includes("'"))
          throw new WardenError('socket_path', `the socket path has a quote in it: ${socket}`);
        print(`SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;`);
      }),
    );
}
