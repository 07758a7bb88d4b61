/** `warden logout`: the daemon's token is revoked and forgotten. */
import type { Command } from 'commander';
import { requestLogout } from '../control/client.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, type CommonFlags, print } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

export function logoutCommand(command: Command): void {
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
No certificate is made until somebody says \`warden login\`, also where the daemon could log in by itself.

Example:
  $ warden logout`,
    )
    .action(
      action(async (flags: CommonFlags) => {
        const { credential } = await requestLogout(daemonSockets(flags));
        print(sanitizeLine(`logged out (${credential})`));
      }),
    );
}
