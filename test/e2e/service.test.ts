/** warden as a service: the units, a socket that is there before the daemon, and what the service manager hears. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LabHome, startLabHome } from '../support/lab.ts';
import { freePort } from '../support/openbao.ts';
import { type Background, findProgram, mustRun, PYTHON, run, start } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const UNITS = ['warden.service', 'warden.socket', 'warden-worker.service', 'warden-worker.timer'].map(
  (name) => `share/systemd/user/${name}`,
);

describe('the units', () => {
  test('are what systemd understands, without a warning', async (context) => {
    if (findProgram('systemd-analyze') === undefined) context.skip('no systemd-analyze on this machine');
    const directory = tempDirectory();
    const args = [
      '--user',
      'verify',
      '--man=no',
      '--recursive-errors=no',
      ...UNITS.map((unit) => resolve(unit)),
    ];
    const result = await run('systemd-analyze', args, {
      env: { HOME: directory.path, XDG_RUNTIME_DIR: directory.path },
    });
    directory.remove();
    expect(result).toMatchObject({ code: 0, stdout: '', stderr: '' });
  });

  test('the property list for launchd is well formed', async () => {
    const script =
      'import plistlib, sys; print(" ".join(plistlib.load(open(sys.argv[1], "rb"))["ProgramArguments"]))';
    const words = await mustRun(PYTHON, ['-c', script, resolve('share/launchd/warden.agent.plist')]);
    expect(words).toBe('/usr/bin/env warden agent\n');
    expect(readFileSync('share/launchd/warden.agent.plist', 'utf8')).toContain('UNTESTED');
  });
});

describe('socket activation', () => {
  const activate = findProgram('systemd-socket-activate');
  let home: LabHome;
  let socket: string;
  let manager: Background | undefined;
  let ear: Background | undefined;

  beforeAll(async () => {
    home = await startLabHome();
    socket = home.directory.socket('run/warden/agent.sock');
  });
  afterAll(() => home.remove());
  beforeEach((context) => {
    if (activate === undefined) context.skip('no systemd-socket-activate on this machine');
  });
  afterEach(async () => {
    await manager?.stop();
    await ear?.stop();
    manager = undefined;
    ear = undefined;
  });

  /** The socket as the unit has it, and `warden agent` for whoever connects. */
  const listenFor = async (
    address: string,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<Background> => {
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    const env = { ...home.env, PATH: process.env['PATH'] ?? '', ...extra };
    const set = Object.entries(env).flatMap(([name, value]) => ['-E', `${name}=${value}`]);
    manager = start(activate ?? '', ['-l', address, ...set, LAUNCHER, 'agent'], { env });
    await manager.waitFor('Listening on');
    return manager;
  };
  const login = () =>
    ssh({ config: home.lab.sshConfig, host: 'lab', agent: socket, command: ['echo', 'in'] });

  test('the first login starts the daemon and succeeds, and the commands find it there', async () => {
    const service = await listenFor(socket);
    expect(existsSync(`${dirname(socket)}/agent.pid`)).toBe(false);
    expect(await login()).toMatchObject({ code: 0, stdout: 'in\n' });
    expect(await login()).toMatchObject({ code: 0 });
    const status = await home.cli(['status', '--json']);
    // The launcher and node have become the process that was started.
    expect(JSON.parse(status.stdout)).toMatchObject({ socket, pid: service.pid, signed: 2 });
    expect(await home.cli(['env'])).toMatchObject({
      stdout: `SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;\n`,
    });
    expect(await home.cli(['agent', '--stop'])).toMatchObject({ code: 0 });
    expect((await service.ended).code).toBe(0);
    // It is the service manager's.
    expect(statSync(socket).isSocket()).toBe(true);
  });

  test('warden agent --background waits for the daemon that its own question starts', async () => {
    const service = await listenFor(socket);
    const both = await Promise.all([1, 2].map(() => home.cli(['agent', '--background', '--socket', socket])));
    for (const result of both)
      expect(result).toMatchObject({ code: 0, stdout: `SSH_AUTH_SOCK='${socket}'; export SSH_AUTH_SOCK;\n` });
    expect(JSON.parse((await home.cli(['status', '--json'])).stdout)).toMatchObject({ pid: service.pid });
    expect(await login()).toMatchObject({ code: 0 });
  });

  test.each(['path', 'abstract name'])(
    'the service manager hears of start, life and end: %s',
    async (kind) => {
      const address = kind === 'path' ? home.directory.socket('notify') : `@${basename(home.directory.path)}`;
      ear = start(PYTHON, [resolve('test/support/python/notify.py'), address]);
      await ear.waitFor('listening');
      const service = await listenFor(socket, { NOTIFY_SOCKET: address, WATCHDOG_USEC: '10000000' });
      expect(await login()).toMatchObject({ code: 0 });
      await ear.waitFor('READY=1');
      service.signal('SIGTERM');
      await ear.waitFor('STOPPING=1');
      expect((await service.ended).code).toBe(0);
      expect(ear.stdout()).toMatch(/^listening\n(WATCHDOG=1\n)+READY=1\n(WATCHDOG=1\n)*STOPPING=1\n$/);
    },
  );

  test('a socket that is no Unix socket is refused by name', async () => {
    const port = await freePort();
    const service = await listenFor(`127.0.0.1:${port}`);
    void run('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}; cat <&3`]);
    const { code, stderr } = await service.ended;
    expect(code).toBe(78);
    expect(stderr).toContain('hands over something other than one Unix socket');
  });

  test('variables that are meant for another process mean nothing', async () => {
    const env = { ...home.env, LISTEN_PID: '1', LISTEN_FDS: '1' };
    const result = await run(LAUNCHER, ['agent', '--background'], { env });
    expect(result).toMatchObject({ code: 0 });
    expect(await home.cli(['agent', '--stop'])).toMatchObject({ code: 0 });
  });
});
