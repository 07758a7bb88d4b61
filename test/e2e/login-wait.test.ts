/**
 * A lane's `wait_for_login`: the system's ssh at a real sshd waits inside the handshake until somebody has logged in to a real OpenBao,
 * and who waits is told, counted, and let go.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { DEAD_AFTER_S } from '../../agent/deadman.ts';
import { fetchRefusals, fetchStatus } from '../../src/control/client.ts';
import { type DaemonOptions, findSecrets, useCredentialRig } from '../support/credential-rig.ts';
import { makeKey } from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { blocks } from '../support/pages.ts';
import { type Background, PYTHON, run, runInTerminal, start, TERMINAL, until } from '../support/process.ts';
import { clientArguments, sshArgv } from '../support/ssh.ts';
import { listIdentities, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { LAUNCHER, type Warden } from '../support/warden.ts';

const PASSWORD = 'correct-horse-battery';
const USERPASS = { method: 'userpass', username: 'alice' };
const WAIT = { wait_for_login: '60s' };
const rig = useCredentialRig();

beforeAll(async () => {
  const { bao } = rig();
  await bao.api('POST', 'sys/auth/userpass', { type: 'userpass' });
  const user = { password: PASSWORD, token_policies: [bao.role] };
  await bao.api('POST', 'auth/userpass/users/alice', user);
});

const clients: Background[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.stop();
});

function background(program: string, args: readonly string[]): Background {
  const client = start(program, args, { deadline: 60_000 });
  clients.push(client);
  return client;
}

function argv(warden: Warden, port = rig().sshd.port): string[] {
  return sshArgv({ port, identityAgent: warden.socket, knownHosts: rig().knownHosts });
}

/** ssh with a terminal of its own; what it shows is in stdout. */
function onTerminal(warden: Warden): Background {
  return background(PYTHON, [TERMINAL, ...argv(warden)]);
}

/** ssh whose standard error is no terminal. */
function withoutTerminal(warden: Warden, port?: number): Background {
  const [program = 'ssh', ...args] = argv(warden, port);
  return background(program, args);
}

async function wardenLogin(warden: Warden): Promise<string> {
  const { stdout, code } = await runInTerminal([LAUNCHER, 'login'], {
    env: { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile },
    typed: [{ after: 'Password of alice for OpenBao: ', send: `${PASSWORD}\r` }],
  });
  expect(code, stdout).toBe(0);
  return stdout;
}

/** Resolves when so many logins wait. */
async function waiting(warden: Warden, count: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  let now = -1;
  while (now !== count) {
    if (Date.now() > deadline) throw new Error(`${now} logins wait, not ${count}: ${warden.log()}`);
    now = (await fetchStatus([warden.controlSocket])).waiting_for_login;
  }
}

/** The newest refusal. */
async function refusal(warden: Warden) {
  const [newest] = await fetchRefusals([warden.controlSocket], undefined);
  return newest;
}

/** A notifier that leaves each line in a file. */
function notifier(name: string): { readonly command: readonly string[]; lines(): string[] } {
  const file = rig().directory.write(name, '');
  return {
    command: ['sh', '-c', `cat >> "$0"; env > "$0.env"`, file],
    lines: () => readFileSync(file, 'utf8').split('\n').slice(0, -1),
  };
}

describe('on a terminal', () => {
  test('ssh says where to log in, waits, and goes on; nobody else waits with it', async () => {
    const upstream = await startSshAgent();
    onTestFinished(() => upstream.stop());
    await upstream.add((await makeKey(rig().directory.path, 'upstream')).path);
    const warden = await rig().daemon(USERPASS, { lane: WAIT, warden: { upstream: upstream.socket } });
    const client = onTerminal(warden);
    const where = `warden: ssh to [127.0.0.1]:${rig().sshd.port} waits up to 60 s for your login to OpenBao: warden login (user alice at auth/userpass)`;
    await client.waitFor(where);
    expect(await listIdentities(warden.socket)).toHaveLength(1);
    expect((await warden.cli(['status'])).stdout).toMatch(
      /^waiting +1 for a login to OpenBao: warden login$/m,
    );
    const said = await wardenLogin(warden);
    const { stdout, code } = await client.ended;
    expect(code).toBe(0);
    expect(stdout.trimEnd().split(/\r+\n/)).toEqual([where]);
    const mints = warden.trail().filter(({ event }) => /^cert\.(intent|issued|refused)$/.test(event));
    expect(mints.map(({ event, error_code }) => [event, error_code])).toEqual([
      ['cert.intent', undefined],
      ['cert.refused', 'no_token'],
      ['cert.intent', undefined],
      ['cert.issued', undefined],
    ]);
    expect(findSecrets(warden, [PASSWORD], stdout, said)).toEqual([]);
  });

  test('its time is over: refused with what to do', async () => {
    const warden = await rig().daemon(USERPASS, { lane: { wait_for_login: '1s' } });
    const { stdout, code } = await onTerminal(warden).ended;
    expect(code).toBe(255);
    expect(stdout).toContain('nobody has logged in to OpenBao within 1 s (warden login)');
    expect(await refusal(warden)).toMatchObject({ code: 'no_token', hint: 'warden login' });
    await waiting(warden, 0);
  });

  test('a token file: bao login is enough', async () => {
    const { bao, directory } = rig();
    const file = directory.join('token');
    const auth = { method: 'token', token_env: 'NOT_SET', token_file: file };
    const warden = await rig().daemon(auth, { lane: WAIT });
    const missing = onTerminal(warden);
    await missing.waitFor('waits up to 60 s for your login to OpenBao: bao login');
    const first = await bao.createToken();
    writeFileSync(file, first);
    expect(await missing.ended).toMatchObject({ code: 0 });
    await bao.api('POST', 'auth/token/revoke', { token: first });
    const expired = onTerminal(warden);
    await waiting(warden, 1);
    writeFileSync(file, await bao.createToken());
    expect(await expired.ended).toMatchObject({ code: 0 });
  });

  test('a token helper: warden login asks it again', async () => {
    const { bao, directory } = rig();
    const kept = directory.join('kept');
    const helper = directory.write('helper', `#!/bin/sh\ncat ${kept} 2>/dev/null; exit 0\n`, 0o700);
    const auth = { method: 'token', token_env: 'NOT_SET', token_helper: helper };
    const warden = await rig().daemon(auth, { lane: WAIT });
    const client = onTerminal(warden);
    await client.waitFor('your login to OpenBao: bao login && warden login (token helper');
    writeFileSync(kept, await bao.createToken());
    expect(await warden.cli(['login'])).toMatchObject({ code: 0 });
    expect(await client.ended).toMatchObject({ code: 0 });
    expect(await warden.cli(['logout'])).toMatchObject({ code: 0 });
    await onTerminal(warden).waitFor('your login to OpenBao: warden login (token helper');
  });

  test('the daemon stops: refused, and it is not held up', async () => {
    const warden = await rig().daemon(USERPASS, { lane: WAIT });
    const client = onTerminal(warden);
    await waiting(warden, 1);
    expect(await warden.cli(['agent', '--stop'])).toMatchObject({ code: 0 });
    expect(await client.ended).toMatchObject({
      code: 255,
      stdout: expect.stringContaining('the agent stops'),
    });
    expect(await warden.ended()).toMatchObject({ code: 0 });
  });

  test('the configuration has another way to log in: refused', async () => {
    const warden = await rig().daemon(USERPASS, { lane: WAIT });
    const client = onTerminal(warden);
    await waiting(warden, 1);
    const text = readFileSync(warden.configFile, 'utf8');
    writeFileSync(warden.configFile, text.replace('username: alice', 'username: bob'));
    expect(await warden.cli(['agent', '--reload'])).toMatchObject({ code: 0 });
    const words = 'the way to log in to OpenBao has changed';
    expect(await client.ended).toMatchObject({ code: 255, stdout: expect.stringContaining(words) });
  });
});

describe('refused at once', () => {
  /** On a terminal, with a lane that would wait for a minute: within ssh's 20 s. */
  const atOnce = async (warden: Warden) => {
    const result = await runInTerminal(argv(warden));
    expect(result).toMatchObject({ code: 255, timedOut: false });
    return result.stdout;
  };

  test('without a terminal and a notifier', async () => {
    const warden = await rig().daemon(USERPASS, { lane: WAIT });
    const [program = 'ssh', ...args] = argv(warden);
    expect(await run(program, args)).toMatchObject({ code: 255, timedOut: false });
    expect(await refusal(warden)).toMatchObject({
      message: 'nobody is logged in to OpenBao (user alice at auth/userpass)',
      hint: 'warden login',
    });
  });

  test('where the notifier fails, which the log says', async () => {
    const warden = await rig().daemon(USERPASS, { lane: WAIT, agent: { notify_command: ['false'] } });
    const [program = 'ssh', ...args] = argv(warden);
    expect(await run(program, args)).toMatchObject({ code: 255, timedOut: false });
    expect(warden.log()).toContain('agent.notify_command failed (exit 1)');
  });

  test('for agt- and atm- actors, whatever the lane says', async () => {
    for (const type of ['agt', 'atm']) {
      const name = `${type}-robot`;
      const robot = { type, principals: [rig().sshd.user], ttl_hours: 1 };
      const lane = { ...WAIT, actor: name };
      const warden = await rig().daemon(USERPASS, { lane, warden: { actors: { [name]: robot } } });
      expect(await atOnce(warden)).toContain('nobody is logged in to OpenBao');
    }
  });

  test('by the agent of one ssh, which no command finds', async () => {
    const warden = await rig().daemon(USERPASS, { lane: WAIT });
    await warden.stop();
    const { sshd, knownHosts } = rig();
    const words = [...clientArguments({ port: sshd.port, knownHosts }), '127.0.0.1', 'true'];
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile };
    const client = start(PYTHON, [TERMINAL, LAUNCHER, 'access', ...words], { env });
    clients.push(client);
    const output = await client.waitFor('Permission denied');
    expect(output).toContain('nobody is logged in to OpenBao');
    expect(output).not.toContain('waits up to');
  });

  test('where the lane does not say so, and where no login would help', async () => {
    expect(await atOnce(await rig().daemon(USERPASS))).toContain('nobody is logged in to OpenBao');
    const variable = { method: 'token', token_env: 'EMPTY' };
    const env = { EMPTY: await rig().bao.createToken() };
    const warden = await rig().daemon(variable, { lane: WAIT, env });
    await rig().bao.api('POST', 'auth/token/revoke', { token: env.EMPTY });
    expect(await atOnce(warden)).toContain('start the agent again with a new token in EMPTY');
  });
});

describe('many, told by the notifier', () => {
  let other: Sshd;
  let knownHosts = '';
  beforeAll(async () => {
    const { bao, directory, sshd } = rig();
    other = await startSshd({ userCas: [bao.caPublicKey] });
    const lines = [...sshd.knownHosts(), ...other.knownHosts()];
    knownHosts = await writeKnownHosts(directory, lines, { name: 'both' });
    return () => other.stop();
  });
  const daemon = (notify: readonly string[], more: DaemonOptions = {}) => {
    const { sshd } = rig();
    const hosts = [`[127.0.0.1]:${sshd.port}`, `[127.0.0.1]:${other.port}`];
    const warden = { knownHosts: [knownHosts] };
    return rig().daemon(USERPASS, {
      lane: { ...WAIT, hosts },
      agent: { notify_command: notify },
      warden,
      ...more,
    });
  };
  const to = (warden: Warden, { port }: Pick<Sshd, 'port'>) =>
    background('ssh', sshArgv({ port, identityAgent: warden.socket, knownHosts }).slice(1));

  test('five share one wait; a fourth for one host is refused at once; one that is killed gives up its slot', async () => {
    const { sshd } = rig();
    const notify = notifier('told');
    const warden = await daemon(notify.command);
    const five = [...[1, 2, 3].map(() => to(warden, sshd)), ...[1, 2].map(() => to(warden, other))];
    await waiting(warden, 5);
    await until('the notifier', () => notify.lines().length > 0);
    const fourth = await to(warden, sshd).ended;
    expect(fourth).toMatchObject({ code: 255 });
    expect(await refusal(warden)).toMatchObject({
      code: 'no_token',
      message: expect.stringContaining('3 to this host wait for a login already'),
    });
    await five.shift()?.stop();
    await waiting(warden, 4);
    const next = to(warden, sshd);
    await waiting(warden, 5);
    await wardenLogin(warden);
    for (const each of [...five, next]) expect(await each.ended).toMatchObject({ code: 0, stderr: '' });
    const [told, refused, ...more] = notify.lines();
    expect(told).toMatch(
      /^warden: ssh to \[127\.0\.0\.1\]:\d+ waits up to 60 s for your login to OpenBao: warden login \(user alice/,
    );
    expect(refused).toMatch(
      /^warden: no certificate for 127\.0\.0\.1: .* 3 to this host wait for a login already/,
    );
    expect(more).toEqual([]);
    const environment = readFileSync(rig().directory.join('told.env'), 'utf8');
    expect(environment).not.toMatch(/WARDEN|BAO_|VAULT_|TOKEN/);
    expect(findSecrets(warden, [PASSWORD], environment, ...notify.lines())).toEqual([]);
  });

  test('a notifier that hangs is ended, and nobody waits because of it; who has a terminal waits past the deadman', async () => {
    const warden = await daemon(['sleep', '60']);
    const { sshd } = rig();
    const words = sshArgv({ port: sshd.port, identityAgent: warden.socket, knownHosts });
    const onScreen = background(PYTHON, [TERMINAL, ...words]);
    await waiting(warden, 1);
    const since = Date.now();
    expect(await to(warden, other).ended).toMatchObject({ code: 255 });
    expect(warden.log()).toContain('agent.notify_command failed (ETIMEDOUT)');
    await sleep(since + DEAD_AFTER_S * 1000 + 500 - Date.now());
    await wardenLogin(warden);
    expect(await onScreen.ended).toMatchObject({ code: 0 });
  });
});

test('docs/openbao.md: the lane and the notifier as they stand there', async () => {
  const page = z.object({
    entries: z.tuple([z.object({ ssh: z.record(z.string(), z.unknown()) })]),
  });
  const [{ ssh: lane }] = page.parse(parse(blocks('docs/openbao.md', 'openbao:wait-lane'))).entries;
  const agent = z.object({ agent: z.object({ notify_command: z.array(z.string()) }) });
  const { notify_command } = agent.parse(parse(blocks('docs/openbao.md', 'openbao:wait-notify'))).agent;
  // The desktop's program, as far as this machine has none.
  const bin = rig().directory.write('notify-send', '#!/bin/sh\nprintf "%s|" "$@" >> "$HOME/shown"\n');
  await run('chmod', ['755', bin]);
  const env = { PATH: `${rig().directory.path}:${process.env['PATH']}` };
  const { hosts: _, logins: __, role: ___, ...wait } = lane;
  const warden = await rig().daemon(USERPASS, { lane: wait, agent: { notify_command }, env });
  const client = withoutTerminal(warden);
  const shown = warden.dir.join('shown');
  await waiting(warden, 1);
  await until('the notification', () => readFileSync(shown, { encoding: 'utf8', flag: 'a+' }).endsWith(')|'));
  expect(readFileSync(shown, 'utf8')).toMatch(/^warden\|warden: ssh to .* waits up to 60 s for your login/);
  await wardenLogin(warden);
  expect(await client.ended).toMatchObject({ code: 0 });
});
