/** Where people run it: shells that outlive the agent, an agent behind that comes and goes by its path, cron, containers. */
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { type LabHome, startLabHome } from '../support/lab.ts';
import { blocks } from '../support/pages.ts';
import { findProgram, mustRun, type Result, run, runInTerminal, start } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { ssh, sshArgv } from '../support/ssh.ts';
import { listIdentities, startSshAgent } from '../support/ssh-agent.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

describe('a path that stays', () => {
  let home: LabHome;
  beforeAll(async () => {
    home = await startLabHome();
  });
  afterAll(() => home.remove());
  const login = (agent: string) => ssh({ config: home.lab.sshConfig, host: 'lab', agent });
  const background = async (env = {}) =>
    /'(.+)'/.exec((await home.cli(['agent', '--background'], env)).stdout)?.[1] ?? '';

  test('a shell in tmux that has the variable from before goes on with the agent that is there now', async (context) => {
    const tmux = findProgram('tmux');
    if (tmux === undefined) context.skip('no tmux on this machine');
    const socket = await background();
    const server = ['-L', basename(home.directory.path), '-f', '/dev/null'];
    const env = { ...home.env, SSH_AUTH_SOCK: socket, TMUX_TMPDIR: home.directory.path, TERM: 'xterm' };
    const session = (...args: readonly string[]) => mustRun(tmux ?? '', [...server, ...args], { env });
    await session('new-session', '-d', '-s', 'work', 'sh');
    try {
      expect(await home.cli(['agent', '--stop'])).toMatchObject({ code: 0 });
      expect(await background()).toBe(socket);
      const out = home.directory.join('from-tmux');
      await session(
        'send-keys',
        '-t',
        'work',
        `ssh -F ${home.lab.sshConfig} lab 'echo in' > ${out}; tmux wait-for -S over`,
        'Enter',
      );
      await session('wait-for', 'over');
      expect(await mustRun('cat', [out])).toBe('in\n');
    } finally {
      await session('kill-server');
    }
  });

  test('a link as the agent behind: who reconnects points it at the new one', async () => {
    const [first, second] = await Promise.all([startSshAgent(), startSshAgent()]);
    const link = home.directory.join('forwarded.sock');
    try {
      for (const [name, agent] of Object.entries({ first, second }))
        await agent.add((await makeKey(home.directory.path, name)).path);
      await home.cli(['agent', '--stop']);
      symlinkSync(first.socket, link);
      const socket = await background({ WARDEN_UPSTREAM: link });
      expect(await listIdentities(socket)).toEqual(await first.list());
      const block = blocks('docs/recipes.md', 'recipes:link').replace('~/.ssh/forwarded.sock', link);
      await mustRun('sh', ['-euc', block], { env: { SSH_AUTH_SOCK: second.socket } });
      expect(await listIdentities(socket)).toEqual(await second.list());
      expect(await login(socket)).toMatchObject({ code: 0 });
    } finally {
      await Promise.all([first.stop(), second.stop()]);
    }
  });

  test('cron: no terminal, no session, no XDG_RUNTIME_DIR, the shortest of environments', async () => {
    await home.cli(['agent', '--stop']);
    const script = blocks('docs/recipes.md', 'recipes:cron')
      .replace('warden agent', `'${LAUNCHER}' agent`)
      .replace('ssh web1.example.com', `ssh -F ${home.lab.sshConfig} lab`);
    // crontab(5): SHELL, LOGNAME and HOME are set, PATH is what the crontab says.
    const cron = { ...home.env, SHELL: '/bin/sh', LOGNAME: 'root', LC_ALL: undefined, TZ: undefined };
    const job = () => run('setsid', ['--wait', 'sh', '-c', script], { env: cron, cwd: home.directory.path });
    expect(await job()).toMatchObject({ code: 0, stdout: 'in\n', stderr: '' });
    const { pid } = JSON.parse((await home.cli(['status', '--json'])).stdout);
    expect(await job()).toMatchObject({ code: 0, stdout: 'in\n', stderr: '' });
    expect(JSON.parse((await home.cli(['status', '--json'])).stdout)).toMatchObject({ pid });
    // And the person's own terminal finds the same one.
    const shown = await runInTerminal([LAUNCHER, 'env'], { env: home.env });
    expect(shown.stdout).toMatch(/^SSH_AUTH_SOCK='.+'; export SSH_AUTH_SOCK;\r\n$/);
  });
});

describe('a container whose user is a number without a name', () => {
  const UID = '54321';
  const directory = tempDirectory();
  const home = directory.join('home');
  const as = ['--reuid', UID, '--regid', UID, '--clear-groups', '--'];
  const inside = (env: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<Result> =>
    run('setpriv', [...as, ...argv], { env: { HOME: undefined, ...env }, cwd: '/' });
  const launcher = directory.join('scripts/warden');

  beforeAll(async () => {
    // A copy of the package: the tree may be closed to others.
    for (const each of [
      'dist',
      'catalog',
      'package.json',
      'scripts/warden',
      'node_modules/koffi',
      'node_modules/@koromix',
    ]) {
      mkdirSync(dirname(directory.join(each)), { recursive: true });
      cpSync(each, directory.join(each), { recursive: true });
    }
    mkdirSync(home);
    if (process.getuid?.() === 0) await mustRun('chown', ['-R', UID, directory.path]);
  });
  afterAll(() => directory.remove());
  beforeEach((context) => {
    if (process.getuid?.() !== 0) context.skip('another uid needs root');
  });

  test('has an agent like anybody else; only ssh refuses to run there', async () => {
    const env = { HOME: home };
    const started = await inside(env, launcher, 'agent', '--background');
    expect(started).toMatchObject({ code: 0, stderr: '' });
    const socket = /'(.+)'/.exec(started.stdout)?.[1] ?? '';
    expect(socket).toBe(`${home}/.local/state/warden/run/agent.sock`);
    expect(await inside({ ...env, SSH_AUTH_SOCK: socket }, 'ssh-add', '-l')).toMatchObject({
      code: 1,
      stdout: 'The agent has no identities.\n',
    });
    expect(await inside(env, launcher, 'status')).toMatchObject({ code: 0 });
    expect((await inside(env, 'ssh', '127.0.0.1')).stderr).toContain(`No user exists for uid ${UID}`);
    expect(await inside(env, launcher, 'agent', '--stop')).toMatchObject({ code: 0, stdout: 'stopped\n' });
  });

  test.each([['agent', '--background'], ['status'], ['env']])(
    'without HOME %s %s says so: 69',
    async (...words) => {
      expect(await inside({}, launcher, ...words)).toMatchObject({
        code: 69,
        stdout: '',
        stderr: `warden: user ${UID} has no home directory (set HOME)\n`,
      });
    },
  );
});

describe('an agent in a process namespace of its own, as in a container whose socket is shared', () => {
  const rig = useRig();
  const APART = ['--pid', '--fork', '--mount-proc'];
  let able = false;
  beforeAll(async () => {
    able = (await run('unshare', [...APART, 'true']).catch(() => undefined))?.code === 0;
  });
  beforeEach(async (context) => {
    if (!able) context.skip('no namespaces may be made here');
    await rig().warden.stop();
  });
  const argv = () => sshArgv({ port: rig().sshd.port, knownHosts: rig().knownHosts });

  /** Runs `act` while a daemon with the rig's configuration, changed by `change`, runs in there. */
  const withDaemon = async (change: (config: string) => string, act: () => Promise<void>) => {
    const { warden, bao } = rig();
    const config = warden.dir.write('apart.yaml', change(readFileSync(warden.configFile, 'utf8')));
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: config, WARDEN_TEST_TOKEN: bao.token };
    const daemon = start('unshare', [...APART, process.execPath, resolve('dist/agent.mjs')], { env });
    try {
      await daemon.waitFor('"msg":"ready"');
      await act();
    } finally {
      await daemon.stop();
    }
  };

  test('knows nobody outside: it mints nothing, and why says what to do', async () => {
    const { warden, sshd } = rig();
    const seen = watch(warden, sshd);
    await withDaemon(
      (config) => config,
      async () => {
        expect(await rig().login()).toMatchObject({ code: 255 });
        expect(seen.records()).toMatchObject([{ event: 'agent.bind_refused', error_code: 'no_peer' }]);
        const why = await warden.cli(['why'], { WARDEN_CONFIG: warden.dir.join('apart.yaml') });
        expect(why.stdout).toMatch(/\(no_peer\)\n {2}→ .*agent\.direct_peers: any/);
      },
    );
  });

  test('mints where the configuration lets the flag alone decide', async () => {
    const seen = watch(rig().warden, rig().sshd);
    await withDaemon(
      (config) => config.replace('agent:\n', 'agent:\n  direct_peers: any\n'),
      async () => {
        expect(await rig().login()).toMatchObject({ code: 0 });
        await seen.certifiedLogins(1);
      },
    );
  });

  test('sees an ssh that is in there with it', async () => {
    const { warden, sshd, bao } = rig();
    const words = argv().map((word) => `'${word}'`);
    const script = `eval "$('${LAUNCHER}' agent --background)"; ${words.join(' ')}; said=$?; '${LAUNCHER}' agent --stop >&2; exit $said`;
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile, WARDEN_TEST_TOKEN: bao.token };
    const seen = watch(warden, sshd);
    expect(await run('unshare', [...APART, 'sh', '-c', script], { env })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
  });

  test('on the machine itself sees the ssh in a container', async () => {
    const { warden, sshd } = rig();
    await warden.start();
    const seen = watch(warden, sshd);
    const env = { SSH_AUTH_SOCK: warden.socket };
    expect(await run('unshare', [...APART, ...argv()], { env })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
  });
});
