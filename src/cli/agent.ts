/** `warden agent`: the launcher starts the daemon itself; here are its help, `--reload` and `--stop`. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { controlSocket, fetchStatus, requestReload, requestStop } from '../control/client.ts';
import { servedConfig } from '../control/signposts.ts';
import { EXIT, WardenError } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { socketCommand } from './agent-socket.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

/** A daemon lets logins end for 5 s. */
const STOP_DEADLINE_MS = 6_000;
const LOOK_EVERY_MS = 20;

/** Stops the daemon and waits until its place is free. */
async function stopAgent(flags: CommonFlags): Promise<void> {
  const { pid, socket } = await fetchStatus(daemonSockets(flags));
  const control = [controlSocket(socket)];
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

/** Prints what changed, or why nothing did. */
async function reloadAgent(flags: CommonFlags, json: boolean): Promise<void> {
  const answer = await requestReload(daemonSockets(flags));
  const { changes, needs_restart, problems } = answer;
  if (problems.length > 0) process.exitCode = EXIT.config;
  if (json) return printJson(answer);
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.stderr.write('warden: the former configuration stays\n');
  else print(changes.length > 0 ? changes.map(sanitizeLine).join('\n') : 'nothing has changed');
  for (const key of needs_restart) print(`${key} needs a restart`);
}

export function agentCommand(command: Command): void {
  socketCommand(command.command('socket'));
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--socket <path>', 'where to listen')
    .option('--upstream <path>', 'the agent behind this one, or none')
    .option('--background', 'run in the background and print what ssh needs, as ssh-agent does')
    .option('--reload', 'have the running agent read its configuration again, as SIGHUP does')
    .option('--stop', 'stop the running agent')
    .option('--check', 'check the configuration and do nothing else')
    .option('--json', 'with --reload: for a program')
    .addHelpText(
      'after',
      `
Examples:
  $ eval "$(warden agent --background)"     twice is harmless
  $ warden agent --reload                   what changed; or exit 78, and the former configuration stays
  $ warden agent --stop
  $ warden agent --check                    exit 0, or 78 and what is wrong`,
    )
    .action(
      action(async (flags: CommonFlags & { stop?: boolean; reload?: boolean; json?: boolean }) => {
        if (flags.reload === true) return reloadAgent(flags, flags.json === true);
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
