/** `warden agent`: the launcher starts the daemon itself; here are its help and `--stop`. */
import { Command } from 'commander';
import { requestStop } from '../control/client.ts';
import { WardenError } from '../errors.ts';
import { action, type CommonFlags, print } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

export function agentCommand(): Command {
  return new Command('agent')
    .description('run the agent in the foreground (or: --background, --stop, --check)')
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
        await requestStop(daemonSockets(flags));
        print('stopped');
      }),
    );
}
