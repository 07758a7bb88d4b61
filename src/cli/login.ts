/** `warden login`: the daemon logs in to OpenBao; what it needs to know is asked here, on the terminal, and goes over the control socket. */
import type { Command } from 'commander';
import { requestLogin } from '../control/client.ts';
import type { LoginStep } from '../control/login-steps.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { askOnTerminal } from '../system/terminal.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

async function goOn(flags: CommonFlags, step: Exclude<LoginStep, { step: 'done' }>): Promise<LoginStep> {
  const { id } = step;
  if (step.step === 'ask') {
    const answer = await askOnTerminal(sanitizeLine(step.text), step.secret);
    return requestLogin(daemonSockets(flags), { id, answer });
  }
  const code = step.code === null ? '' : ` (code ${sanitizeLine(step.code)})`;
  process.stderr.write(`warden: open this in a browser${code}:\n${sanitizeLine(step.url)}\n`);
  return requestLogin(daemonSockets(flags), { id });
}

export function loginCommand(command: Command): void {
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program: the result')
    .addHelpText(
      'after',
      `
How the daemon logs in is openbao.auth in warden.yaml (docs/openbao.md). A password or passcode is asked for on the terminal. The token
stays in the daemon's memory: after a restart of the daemon log in again.

Example:
  $ warden login && ssh web1`,
    )
    .action(
      action(async (flags: CommonFlags & { json?: boolean }) => {
        let step = await requestLogin(daemonSockets(flags), {});
        while (step.step !== 'done') step = await goOn(flags, step);
        const { credential, identity } = step;
        if (flags.json === true) printJson({ credential, identity });
        else print(sanitizeLine(`logged in: ${identity ?? 'OpenBao does not say as whom'} (${credential})`));
      }),
    );
}
