/** `warden access` is exactly ssh, on the real ssh, sshd and OpenBao; with a daemon, without one, and with what a dead one leaves. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Environment, minimalEnvironment, run, runInTerminal, until } from '../support/process.ts';
import { type Rig, useRig } from '../support/rig.ts';
import { clientArguments } from '../support/ssh.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

/** What a person types behind `warden access` to get to the rig's sshd. */
function destination({ sshd, knownHosts }: Rig): string[] {
  return [...clientArguments({ port: sshd.port, knownHosts }), '127.0.0.1'];
}

function environment({ warden, bao }: Rig): Environment {
  return { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile, WARDEN_TEST_TOKEN: bao.token };
}

/** The agents' sockets below `home` on which somebody listens, as the kernel knows them (proc(5), net/unix). */
function served(home: string): string[] {
  const LISTENING = '00010000';
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.split(/ +/))
    .filter(([, , , flags, , , , path = '']) => flags === LISTENING && path.startsWith(`${home}/`))
    .map(([, , , , , , , path = '']) => path)
    .filter((path) => path.endsWith('agent.sock'));
}

const HARD_WORDS = ['a b', '', '"q"', "it's", '$HOME', '*', 'back\\slash', 'new\nline', '--', '-x', '🔑'];

test('every word reaches ssh as it was typed, behind two options of warden', async () => {
  const directory = tempDirectory();
  const socket = directory.socket('agent.sock');
  // A stand-in for ssh shows its words; the real one takes the same ones in the next test.
  directory.write('ssh', `#!/bin/sh\nfor word in "$@"; do printf '<%s>' "$word"; done\n`, 0o700);
  directory.write('agent.pid', '');
  const words = ['-p', '22', 'host', '-v', ...HARD_WORDS];
  // No daemon: the private one can't be started with this configuration, so ssh is reached only through a running one.
  directory.write('warden.yaml', 'actor: [');
  const config = directory.join('warden.yaml');
  const env = {
    HOME: directory.path,
    PATH: `${directory.path}:${process.env['PATH']}`,
    WARDEN_CONFIG: config,
  };
  const daemon = await run(LAUNCHER, ['agent', '--background', '--socket', socket], { env });
  expect(daemon).toMatchObject({ code: 0, stdout: `SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;\n` });
  const shown = await run(LAUNCHER, ['access', ...words], { env });
  const expected = ['-o', 'IdentityAgent=SSH_AUTH_SOCK', '-o', 'IdentitiesOnly=no', ...words];
  expect(shown).toMatchObject({ code: 0, stderr: '', stdout: expected.map((word) => `<${word}>`).join('') });
  expect((await run(LAUNCHER, ['agent', '--stop', '--socket', socket], { env })).code).toBe(0);
  directory.remove();
});

describe('with a daemon on a socket of its own choice', () => {
  const rig = useRig();

  test('words, input, output and exit status are those of ssh', async () => {
    const { warden, login } = rig();
    const command = ["printf '[%s]'", "'a  b'", '"$0"', '*.none; cat; echo bad >&2; exit 7'];
    const plain = await login({ command, stdin: 'input\n' });
    expect(plain).toMatchObject({ code: 7, stderr: 'bad\n' });
    const before = warden.trail().length;
    const access = await run(LAUNCHER, ['access', ...destination(rig()), ...command], {
      env: environment(rig()),
      stdin: 'input\n',
    });
    expect(access).toEqual(plain);
    expect(warden.trail().length).toBeGreaterThan(before);
    expect(served(warden.dir.path)).toEqual([warden.socket]);
  });

  test('it is found without its signpost too', async () => {
    const { warden } = rig();
    const posts = warden.dir.join('.local/state/warden/run/daemons');
    const [post] = readdirSync(posts);
    expect(readFileSync(join(posts, post ?? ''), 'utf8')).toBe(`${warden.socket}\n`);
    await run('rm', [join(posts, post ?? '')]);
    expect(await warden.cli(['access', ...destination(rig()), 'true'])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(served(warden.dir.path)).toEqual([warden.socket]);
  });

  test('an unknown host is the business of ssh', async () => {
    const { warden } = rig();
    const result = await warden.cli(['access', '-F', 'none', 'host.invalid', 'true']);
    expect(result.code).toBe(255);
    expect(result.stderr).toMatch(/^ssh: Could not resolve hostname host\.invalid: [^\n]*\n$/);
  });

  test('Ctrl-C ends it as it ends ssh', async () => {
    const env = environment(rig());
    const typed = [{ after: 'up', send: '\x03' }];
    const words = [...destination(rig()), 'echo up; exec sleep 60'];
    const withAgent = { ...env, SSH_AUTH_SOCK: rig().warden.socket };
    const plain = await runInTerminal(['ssh', ...words], { env: withAgent, typed });
    const access = await runInTerminal([LAUNCHER, 'access', ...words], { env, typed });
    expect(access).toEqual(plain);
    expect(access.code).toBe(255);
  });

  test('on a terminal: its size, what is typed, Ctrl-C for the remote side', async ({ skip }) => {
    skip(process.getuid?.() !== 0, 'sshd gives terminals only as root');
    const env = environment(rig());
    const onTerminal = (command: string, after: string, send: string) =>
      runInTerminal([LAUNCHER, 'access', '-tt', ...destination(rig()), command], {
        env,
        typed: [{ after, send }],
      });
    const asked = await onTerminal('stty size; read word; echo "got $word"; exit 5', '24 80', 'hello\r');
    expect(asked).toMatchObject({ code: 5 });
    expect(asked.stdout).toContain('got hello');
    const interrupted = await onTerminal("trap 'exit 9' INT; echo up; sleep 60", 'up', '\x03');
    expect(interrupted.code).toBe(9);
  });
});

describe('without a daemon', () => {
  const rig = useRig();

  /** Runs access with a private daemon, and waits until that has gone with all that was its own. */
  async function alone(words: readonly string[]) {
    const { warden } = rig();
    const result = await run(LAUNCHER, ['access', ...destination(rig()), ...words], {
      env: environment(rig()),
    });
    await until('the private daemon ends', () => served(warden.dir.path).length === 0, 5_000);
    const runtime = warden.dir.join('.local/state/warden/run');
    await until('its directory goes', () => readdirSync(runtime).every((name) => name === 'daemons'), 5_000);
    return result;
  }

  test('a private one serves this ssh, and leaves nothing', async () => {
    const { warden, sshd } = rig();
    await warden.stop();
    const seen = sshd.logins().length;
    expect(await alone(['echo in; exit 4'])).toMatchObject({ code: 4, stdout: 'in\n', stderr: '' });
    const logins = await sshd.waitForLogins(seen + 1);
    expect(logins.at(-1)?.keyType).toBe('ED25519-CERT');
    expect(warden.trail().filter(({ event }) => event === 'cert.used').length).toBe(1);
    expect(existsSync(warden.socket)).toBe(false);
  });

  test('what a killed daemon left is no daemon, nor is the process that got its number', async () => {
    const { warden } = rig();
    await warden.start();
    await warden.kill();
    expect(existsSync(warden.socket)).toBe(true);
    expect(await alone(['true'])).toMatchObject({ code: 0, stderr: '' });
    const pidFile = join(dirname(warden.socket), 'agent.pid');
    writeFileSync(pidFile, `${process.pid}\n${warden.configFile}\n`);
    expect(await alone(['true'])).toMatchObject({ code: 0, stderr: '' });
    for (const junk of ['', 'x\n', '-1\n', `0\n${warden.configFile}\n`, `1\n${warden.configFile}\n`]) {
      writeFileSync(pidFile, junk);
      const env = await run(LAUNCHER, ['env'], { env: environment(rig()) });
      expect(env.code, JSON.stringify(junk)).toBe(69);
    }
    await warden.start();
    expect(await warden.cli(['access', ...destination(rig()), 'true'])).toMatchObject({ code: 0 });
    await warden.stop();
  });

  test('a configuration that is no good ends it with 78 and says where, before ssh starts', async () => {
    const { warden } = rig();
    const good = readFileSync(warden.configFile, 'utf8');
    writeFileSync(warden.configFile, `${good}bogus: 1\n`);
    const result = await warden.cli(['access', ...destination(rig()), 'true']);
    writeFileSync(warden.configFile, good);
    expect(result).toMatchObject({ code: 78, stdout: '' });
    expect(result.stderr).toMatch(/^warden: \S+warden\.yaml:\d+: bogus: unknown key \([^\n]+\)\n$/);
  });
});

test('without a host, with an empty one, and with words that are neither: 64 and one line', async () => {
  const wrong = [
    [],
    [''],
    ['--need'],
    ['--need', ''],
    ['--need', 'npm', 'token'],
    ['npm token', 'whynot'],
    ['--json', 'web1'],
    ['--domain', '-x', 'read a secret of a workload'],
    ['--set', 'field', 'read a secret of a workload'],
    ['--set', 'cmd=x', 'npm token for whynot'],
    ['--domain', 'a/../b', 'read a secret of a workload'],
  ];
  for (const words of wrong) {
    const result = await run(LAUNCHER, ['access', ...words], { env: minimalEnvironment() });
    expect(result, words.join()).toMatchObject({ code: 64, stdout: '' });
    expect(result.stderr).toMatch(/^warden: [^\n]+\n$/);
  }
});

describe('a need that is no host', () => {
  const home = tempDirectory();
  const env = { HOME: home.path, XDG_RUNTIME_DIR: home.path };
  const access = (...words: string[]) => run(LAUNCHER, ['access', ...words], { env });
  afterAll(() => home.remove());

  test('is answered with the owner’s command, and nothing is run', async () => {
    const { code, stdout, stderr } = await access('npm token for whynot');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(
      /next +run with secrets-engine: secrets-engine exec --catalog whynot-design-npm-publish -- <cmd>\n$/,
    );
    expect((await access('--need', 'oidc')).stdout).toMatch(/^key-cape-oidc-login: /);
    expect(await access('postgres password')).toMatchObject({ code: 4 });
    expect((await access('order a laptop')).stdout).toMatch(/^nobody in the catalog serves /);
  });

  test('has its placeholders filled in', async () => {
    const open = 'read a secret of a workload';
    expect((await access(open)).stdout).toContain(
      'fill in <domain>, <secret>, <field>, then run as yourself: bao',
    );
    const words = [
      '--domain',
      'coulomb/x',
      '--set',
      'secret=mail',
      '--set',
      'field=PASSWORD',
      '--json',
      open,
    ];
    const filled: unknown = JSON.parse((await access(...words)).stdout);
    expect(filled).toMatchObject({
      need: open,
      outcome: 'match',
      id: 'openbao-api-key',
      resolvable: true,
      policy_ref: 'secret.read:coulomb/x',
      next_action: 'run as yourself: bao kv get -mount=platform -field=PASSWORD workloads/coulomb/x/mail',
    });
  });

  test('of several the person chooses on a terminal; a program is told which there are', async () => {
    const json = await access('--json', 'api key');
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ outcome: 'ambiguous', candidates: expect.any(Array) });
    expect((await access('api key')).stdout).toMatch(/^several serve that; say more, or one of:\n/);
    const typed = (send: string) => [{ after: 'or nothing: ', send }];
    const chosen = await runInTerminal([LAUNCHER, 'access', 'api key'], { env, typed: typed('2\r') });
    expect(chosen.code).toBe(0);
    expect(chosen.stdout).toMatch(/\n\S+: [^\n]+\n +owner +railiance-platform/);
    const none = await runInTerminal([LAUNCHER, 'access', 'api key'], { env, typed: typed('\r') });
    expect(none.code).toBe(3);
  });
});
