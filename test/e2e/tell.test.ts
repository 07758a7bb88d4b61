/** The person finds out why: the line on the caller's terminal, and where it must not be; `warden why`. Real ssh on a real terminal. */
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LAB_ROLE, type Lab, startLab } from '../../src/lab/lab.ts';
import type { Override } from '../../src/lab/openbao.ts';
import { makeKey } from '../support/keys.ts';
import { run, runInTerminal } from '../support/process.ts';
import { sshArgv } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden, type WardenOptions } from '../support/warden.ts';

const directory = tempDirectory();
let lab: Lab;
let refusal: Override = {};
let upstream: SshAgent;
let warden: Warden;
let others: Warden[] = [];

function options(): WardenOptions {
  return {
    openbao: { addr: lab.openbaoUrl, token: lab.openbao.tokens.create(LAB_ROLE, 'tell', 3600) },
    lanes: { web: { hosts: [`[127.0.0.1]:${lab.sshPort}`], logins: ['demo'], role: LAB_ROLE } },
    principals: ['demo'],
    knownHosts: [lab.knownHosts],
  };
}

async function another(extra: Partial<WardenOptions>): Promise<Warden> {
  const one = await startWarden({ ...options(), ...extra });
  others.push(one);
  return one;
}

/** What comes through a real pipe from the standard error of a program (a child's of Node is a socket). */
async function piped(words: readonly string[]): Promise<string> {
  return (await run('sh', ['-c', '"$@" 2>&1 >/dev/null | cat', 'sh', ...words])).stdout;
}

/** A login to the lane's host that gets no certificate. */
function argv(agent: Warden, host = 'lab'): string[] {
  return sshArgv({ config: lab.sshConfig, host, identityAgent: agent.socket });
}

const DENIED = {
  status: 403,
  body: JSON.stringify({ errors: ['1 error occurred:\n\t* permission denied\n\n'] }),
};

beforeAll(async () => {
  lab = await startLab({
    dir: directory.join('lab'),
    intercept: async ({ path }) => (path.includes('/sign/') ? refusal : undefined),
  });
  upstream = await startSshAgent();
  await upstream.add((await makeKey(directory.path, 'upstream')).path);
  refusal = DENIED;
  warden = await startWarden(options());
});
afterEach(async () => {
  for (const one of others) await one.remove();
  others = [];
  refusal = DENIED;
});
afterAll(async () => {
  await warden.remove();
  await upstream.stop();
  await lab.stop();
  directory.remove();
});

describe('the line on the terminal', () => {
  test('stands right before ssh’s own error, names the host as it was typed and what to do', async () => {
    const { stdout, code } = await runInTerminal(argv(warden));
    expect(code).toBe(255);
    const [line = '', error = '', ...rest] = stdout.trimEnd().split(/\r+\n/);
    expect(line).toMatch(
      /^warden: no certificate for lab: .*permission denied: .* update \(its policy allows it: .+\)$/,
    );
    expect(error).toMatch(/^demo@127\.0\.0\.1: Permission denied \(publickey\)\.$/);
    expect(rest).toEqual([]);
  });

  test('stands there too where another agent’s key could still log in', async () => {
    const agent = await another({ upstream: upstream.socket });
    expect((await runInTerminal(argv(agent))).stdout).toMatch(/^warden: no certificate for lab: /);
  });

  test('goes into a pipe only where no identity at all is listed', async () => {
    expect(await piped(argv(warden))).toMatch(/^warden: no certificate for lab: [^\n]+\ndemo@127/);
    const agent = await another({ upstream: upstream.socket });
    expect(await piped(argv(agent))).toMatch(/^demo@127[^\n]+\n$/);
  });

  test('never goes into a file', async () => {
    const file = directory.join('stderr');
    const result = await run('sh', ['-c', 'exec "$@" 2>"$0"', file, ...argv(warden)]);
    expect(result.code).toBe(255);
    expect(readFileSync(file, 'utf8')).toMatch(/^demo@127[^\n]+\r?\n$/);
  });

  test('is not for hosts that no lane covers, nor for lists that are no login', async () => {
    expect((await runInTerminal(argv(warden, 'other'))).stdout).toMatch(/^demo@127[^\n]+\n$/);
    const list = await runInTerminal(['ssh-add', '-l'], { env: { SSH_AUTH_SOCK: warden.socket } });
    expect(list.stdout).toBe('The agent has no identities.\r\n');
  });

  test('agent.tell: none silences it, and why still knows', async () => {
    const agent = await another({ agent: { tell: 'none' } });
    expect((await runInTerminal(argv(agent))).stdout).toMatch(/^demo@127[^\n]+\n$/);
    expect(await piped(argv(agent))).toMatch(/^demo@127[^\n]+\n$/);
    expect((await agent.cli(['why', 'lab'])).stdout).toContain('bao_denied');
  });
});

test('nothing that OpenBao says can steer a terminal', async () => {
  const evil = 'no \u001b]0;owned\u0007\u001b[2J\u009b31m\r\nwarden: fine\u202e\u2028x';
  refusal = { status: 400, body: JSON.stringify({ errors: [evil] }) };
  const told = await runInTerminal(argv(warden));
  expect(told.stdout).toMatch(/^warden: no certificate for lab: [^\r\n]*\r+\ndemo@127[^\r\n]+\r+\n$/);
  const why = await warden.cli(['why', 'lab']);
  expect(why.code).toBe(0);
  const status = await warden.cli(['status']);
  for (const text of [
    told.stdout.replaceAll(/\r+\n/g, ''),
    why.stdout.replaceAll('\n', ''),
    status.stdout.replaceAll('\n', ''),
  ])
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(warden.log().replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
});
