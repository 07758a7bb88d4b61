/** `warden login`: the daemon logs in to OpenBao; what it needs to know is asked here, on the terminal, and goes over the control socket. */
import type { Command } from 'commander';
import { requestLogin } from '../control/client.ts';
import type { LoginStep } from '../control/login-steps.ts';
import { openInBrowser } from '../system/browser.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { askOnTerminal } from '../system/terminal.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

interface LoginFlags extends CommonFlags {
  readonly json?: boolean;
  readonly browser: boolean;
}

async function goOn(flags: LoginFlags, step: Exclude<LoginStep, { step: 'done' }>): Promise<LoginStep> {
  const { id } = step;
  if (step.step === 'ask') {
    const answer = await askOnTerminal(sanitizeLine(step.text), step.secret);
    return requestLogin(daemonSockets(flags), { id, answer });
  }
  const opened = flags.browser && openInBrowser(step.url, process.env);
  const code = step.code === null ? '' : ` (code ${sanitizeLine(step.code)})`;
  const what = opened ? 'log in with your browser, which opens this' : 'open this in a browser';
  process.stderr.write(`warden: ${what}${code}:\n${step.url}\n`);
  return requestLogin(daemonSockets(flags), { id });
}

export function loginCommand(command: Command): void {
  command
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--no-browser', 'with oidc: only print the address')
    .option('--json', 'for a program: the result')
    .addHelpText(
      'after',
      `
How the daemon logs in is openbao.auth in warden.yaml (docs/openbao.md). A password or passcode is asked for on the terminal; with
oidc the address to log in at is printed, and opened in your browser where there is a display. The token stays in the daemon's memory: after a
restart of the daemon log in again.

Example:
  $ warden login && ssh web1`,
    )
    .action(
      action(async (flags: LoginFlags) => {
        let step = await requestLogin(daemonSockets(flags), {});
        while (step.step !== 'done') step = await goOn(flags, step);
        const { credential, identity } = step;
        if (flags.json === true) printJson({ credential, identity });
        else print(sanitizeLine(`logged in: ${identity ?? 'OpenBao does not say as whom'} (${credential})`));
      }),
    );
}
