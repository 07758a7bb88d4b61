/** `warden access`: the launcher becomes ssh; here are its help and what it can't be asked for. */
import type { Command } from 'commander';
import { WardenError } from '../errors.ts';
import { action } from './context.ts';

export function accessCommand(command: Command): void {
  command
    .usage('[user@]host [ssh options] [command…]')
    .argument('[host]')
    .argument('[words...]')
    .addHelpText(
      'after',
      `
Every word goes to ssh as it is. With no agent running, one is started that lives as long as this ssh.
Exit status: ssh's own; 64, 69, 77 or 78 where warden fails before ssh starts.

Examples:
  $ warden access ops@web1.prod.example.com uptime
  $ warden access -p 2222 -L 8080:localhost:80 bastion`,
    )
    .action(
      action(async (host: string | undefined) => {
        if (host === undefined)
          throw new WardenError('usage', 'access to which host?', {
            hint: 'warden access [user@]host [command]',
          });
        throw new WardenError('usage', `no host is called ${JSON.stringify(host)}`, {
          hint: 'needs that are not hosts are not built yet; a host is one word: warden access [user@]host',
        });
      }),
    );
}
