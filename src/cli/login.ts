/** `warden login`: the daemon logs in to OpenBao; what it needs to know is asked here, on the terminal, and goes over the control socket. */
import type { Command } from 'commander';
import { type ControlSockets, requestLogin } from '../control/client.ts';
import type { LoginRequest, LoginStep } from '../control/login-steps.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';
import { declareOptions, type Options } from './options.ts';

export const LOGIN_OPTIONS = {
  config: { type: 'string', value: '<file>', about: 'the configuration: warden.yaml' },
  'no-browser': { type: 'boolean', about: 'with oidc: only print the address' },
  json: { type: 'boolean', about: 'for a program: the result' },
} as const satisfies Options;

interface LoginFlags extends CommonFlags {
  readonly json?: boolean;
  readonly browser: boolean;
}

type Ask = (request: LoginRequest) => Promise<LoginStep>;

/** What a person has to be asked or shown is loaded only then: a service's login needs none of it. */
async function goOn(
  step: Exclude<LoginStep, { step: 'done' }>,
  browser: boolean,
  ask: Ask,
): Promise<LoginStep> {
  const { id } = step;
  if (step.step === 'ask') {
    const { askOnTerminal } = await import('../system/terminal.ts');
    return ask({ id, answer: await askOnTerminal(sanitizeLine(step.text), step.secret) });
  }
  const { openInBrowser } = await import('../system/browser.ts');
  const opened = browser && openInBrowser(step.url, process.env);
  const code = step.code === null ? '' : ` (code ${sanitizeLine(step.code)})`;
  const what = opened ? 'log in with your browser, which opens this' : 'open this in a browser';
  process.stderr.write(`warden: ${what}${code}:\n${step.url}\n`);
  return ask({ id });
}

/** `sockets` is called for each step. Throws `not_running`, and why there is no login. */
export async function login({ json, browser }: LoginFlags, sockets: () => ControlSockets): Promise<void> {
  const ask: Ask = (request) => requestLogin(sockets(), request);
  let step = await ask({});
  while (step.step !== 'done') step = await goOn(step, browser, ask);
  const { credential, identity } = step;
  if (json === true) printJson({ credential, identity });
  else print(sanitizeLine(`logged in: ${identity ?? 'OpenBao does not say as whom'} (${credential})`));
}

export function loginCommand(command: Command): void {
  declareOptions(command, LOGIN_OPTIONS)
    .addHelpText(
      'after',
      `
How the daemon logs in is openbao.auth in warden.yaml (docs/openbao.md). A password or passcode is asked for on the terminal; with
oidc the address to log in at is printed, and opened in your browser where there is a display. The token stays in the daemon's memory: after a
restart of the daemon log in again.

Example:
  $ warden login && ssh web1`,
    )
    .action(action((flags: LoginFlags) => login(flags, () => daemonSockets(flags))));
}
