/**
 * Bad input, from the command to the user's keys: each is one clear line with exit code 78 at `warden agent --check`, and the daemon that
 * is started with it all the same serves the upstream's keys on the socket that the configuration names. A real ssh-agent stands behind.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { type Background, type Environment, run, start } from '../support/process.ts';
import { listIdentities, type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

let upstream: SshAgent;
let key: string;
let dir: TempDirectory;
let env: Environment;
let socket: string;
/** A configuration without a mistake; tests replace one line. */
let good: string;

const INVENTORY = 'actors:\n  adm-test: { type: adm, principals: [ops], ttl_hours: 1 }\n';
const entry = (id: string, ssh: string) =>
  `  - id: ${id}\n    title: t\n    need_keywords: [ssh]\n    owner_repo: r\n    warden_executes: true\n    status: active\n    ssh: ${ssh}\n`;
const LANE = '{ hosts: [web1], logins: [ops], role: r }';

beforeAll(async () => {
  upstream = await startSshAgent();
  const keys = tempDirectory();
  key = (await makeKey(keys.path, 'id')).publicKey;
  await upstream.add(join(keys.path, 'id'));
  keys.remove();
});
afterAll(() => upstream.stop());

beforeEach(({ onTestFinished }) => {
  dir = tempDirectory('bad-');
  mkdirSync(dir.join('run'), { mode: 0o700 });
  mkdirSync(dir.join('catalog'), { mode: 0o700 });
  socket = dir.socket('run/mine.sock');
  dir.write('inventory.yaml', INVENTORY);
  dir.write('catalog/lanes.yaml', `entries:\n${entry('web', LANE)}`);
  good = [
    'actor: adm-test',
    'openbao: { addr: "http://127.0.0.1:9" }',
    'inventory_path: inventory.yaml',
    'catalog_path: catalog',
    'state_dir: state',
    'agent:',
    `  socket: ${socket}`,
    `  upstream: ${upstream.socket}   # behind`,
    '',
  ].join('\n');
  env = { HOME: dir.path, WARDEN_CONFIG: dir.write('warden.yaml', good) };
  const mine = dir;
  onTestFinished(() => mine.remove());
});

const check = () => run(LAUNCHER, ['agent', '--check'], { env });

/** The daemon in the foreground, once it is ready. */
async function daemon(...args: string[]): Promise<Background> {
  const agent = start(LAUNCHER, ['agent', ...args], { env });
  await agent.waitFor('"msg":"ready"');
  return agent;
}

/** One line for --check; a daemon that says why it mints nothing and lists the upstream's key at `path`. */
async function expectRelay(line: RegExp, path = socket, checked = 78): Promise<void> {
  const result = await check();
  expect(result.code).toBe(checked);
  if (checked !== 0) {
    expect(result).toMatchObject({ stdout: '' });
    expect(result.stderr).toMatch(/^warden: [^\n]+ \([^\n]+\)\n$/);
    expect(result.stderr).toMatch(line);
  }
  const agent = await daemon();
  try {
    expect(await listIdentities(path)).toEqual([key]);
    const status = await run(LAUNCHER, ['status'], { env });
    expect(status).toMatchObject({ code: 0 });
    expect(status.stdout).toMatch(/^mints +no: /m);
    expect(status.stdout).toMatch(line);
    const why = await run(LAUNCHER, ['why', 'web1'], { env });
    expect(why.stdout).toMatch(/^nothing is minted at all: /);
    expect(why.stdout).toMatch(line);
  } finally {
    await agent.stop();
  }
}

const replace = (from: string, to: string) => dir.write('warden.yaml', good.replace(from, to));

test('without a mistake: 0, and a daemon that would mint', async () => {
  expect(await check()).toMatchObject({ code: 0, stderr: '' });
  const agent = await daemon();
  expect(await listIdentities(socket)).toEqual([key]);
  expect((await run(LAUNCHER, ['status'], { env })).stdout).toMatch(/^mints +yes$/m);
  await agent.stop();
  expect(existsSync(socket)).toBe(false);
});

describe('a configuration that is no good', () => {
  test('malformed YAML', async () => {
    replace('actor: adm-test', 'actor: [adm-test');
    await expectRelay(/warden\.yaml:\d+: .*YAML/);
  });

  test('an unknown key', async () => {
    replace('actor: adm-test', 'actor: adm-test\nbogus: 1');
    await expectRelay(/warden\.yaml:2: bogus: unknown key/);
  });

  test.each([
    ['a lane without logins', [entry('web', '{ hosts: [web1], role: r }')], /lanes\.yaml:\d+: .*logins/],
    ['two equal lanes', [entry('web', LANE), entry('web2', LANE)], /lanes\.yaml:\d+: .*already in lane web/],
    [
      'a TTL above the cap',
      [entry('web', '{ hosts: [web1], logins: [ops], role: r, ttl: 3h }')],
      /lanes\.yaml:\d+: .*ttl/,
    ],
  ])('%s', async (_what, entries, line) => {
    dir.write('catalog/lanes.yaml', `entries:\n${entries.join('')}`);
    await expectRelay(line);
  });

  test('an inventory that can’t be read', async () => {
    // A directory in its place: the tests may run as root, who reads every file.
    rmSync(dir.join('inventory.yaml'));
    mkdirSync(dir.join('inventory.yaml'), { mode: 0o700 });
    await expectRelay(/inventory\.yaml: /);
  });

  test('a file that everybody may write decides nothing, not even where the socket is', async () => {
    chmodSync(dir.join('warden.yaml'), 0o666);
    env = { ...env, XDG_RUNTIME_DIR: dir.path, SSH_AUTH_SOCK: upstream.socket };
    await expectRelay(/warden\.yaml: .*may be written by others/, dir.join('warden/agent.sock'));
    expect(existsSync(socket)).toBe(false);
  });

  test('a state_dir that can’t be made', async () => {
    dir.write('file', '');
    replace('state_dir: state', 'state_dir: file/state');
    await expectRelay(/can't make the directory .*file\/state/);
  });

  test('a state_dir that is open to others', async () => {
    mkdirSync(dir.join('state'));
    chmodSync(dir.join('state'), 0o755);
    await expectRelay(/state can be entered by others/);
  });

  test('several mistakes are a line each', async () => {
    replace('actor: adm-test', 'bogus: 1\nactor: adm-test\nalso: 2');
    const { code, stderr } = await check();
    expect(code).toBe(78);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/warden\.yaml:1: bogus/),
      expect.stringMatching(/warden\.yaml:3: also/),
    ]);
  });

  test('control characters in it reach no terminal', async () => {
    dir.write('warden.yaml', `"bo\\e[2Jgus": 1\n${good}`);
    const { code, stderr } = await check();
    expect(code).toBe(78);
    expect(stderr.trimEnd()).not.toMatch(/\p{Cc}/u);
  });
});

describe('the log', () => {
  test('one that can’t be written stops nothing', async () => {
    mkdirSync(dir.join('state'), { mode: 0o700 });
    symlinkSync('/dev/full', dir.join('state/agent.log'));
    expect(await run(LAUNCHER, ['agent', '--background'], { env })).toMatchObject({ code: 0, stderr: '' });
    expect(await listIdentities(socket)).toEqual([key]);
    expect((await run(LAUNCHER, ['agent', '--stop'], { env })).code).toBe(0);
    const closed = run('sh', ['-c', `"${LAUNCHER}" agent 2>&1 >/dev/null | head -1`], { env });
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await listIdentities(socket)).toEqual([key]);
    expect((await run(LAUNCHER, ['agent', '--stop'], { env })).code).toBe(0);
    expect((await closed).stdout).toContain('"msg"');
  });
});

describe('the place of the socket', () => {
  const refused = async (words: readonly string[], code: number, line: RegExp) => {
    for (const how of [['agent'], ['agent', '--background']]) {
      const result = await run(LAUNCHER, [...how, ...words], { env });
      expect(result).toMatchObject({ code, stdout: '' });
      expect(result.stderr).toMatch(/^warden: [^\n]+\n$/);
      expect(result.stderr).toMatch(line);
    }
  };

  test('too long', async () => {
    replace(socket, dir.join('x'.repeat(100)));
    const result = await check();
    expect(result).toMatchObject({ code: 78 });
    expect(result.stderr).toMatch(
      /warden\.yaml:7: agent\.socket: the path has \d+ bytes, and a socket's may have 107/,
    );
    await refused([], 78, /may have 107/);
  });

  test('taken by a living agent, which keeps it; a dead one’s is replaced', async () => {
    const server = createServer((client) => client.on('error', () => undefined));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    await refused([], 69, /mine\.sock is served by another living agent \(use it/);
    expect(server.listening && existsSync(socket)).toBe(true);
    await new Promise((resolve) => server.close(resolve));
    // A process that is killed leaves its socket.
    const dead = start('ssh-agent', ['-D', '-a', socket]);
    while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
    dead.signal('SIGKILL');
    await dead.ended;
    expect(existsSync(socket)).toBe(true);
    const agent = await daemon();
    expect(await listIdentities(socket)).toEqual([key]);
    await agent.stop();
  });

  test('a regular file, which stays', async () => {
    writeFileSync(socket, 'mine');
    expect(await check()).toMatchObject({ code: 78 });
    await refused([], 78, /mine\.sock is there already and is no socket/);
    expect(readFileSync(socket, 'utf8')).toBe('mine');
  });

  test('a directory that is open to others', async () => {
    chmodSync(dir.join('run'), 0o750);
    expect(await check()).toMatchObject({ code: 78 });
    await refused([], 78, /run can be entered by others \(mode 750\) \(chmod 700 /);
  });

  test('a directory that can’t be made', async () => {
    dir.write('file', '');
    await refused(['--socket', dir.join('file/run/agent.sock')], 78, /can't make the directory/);
  });
});
