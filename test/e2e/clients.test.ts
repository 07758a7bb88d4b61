/** What people do over ssh, with the programs that they do it with: each login of each of them has a certificate of its own. */
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { knownHostsLine } from '../support/known-hosts.ts';
import { findProgram, mustRun, run, runInTerminal } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import {
  type ClientOptions,
  clientArguments,
  clientEnvironment,
  sshArgv,
  sshCommandLine,
} from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { watch } from '../support/witness.ts';

describe('the programs that are built on ssh', () => {
  const rig = useRig({
    lanes: ({ bao, sshd }) => ({
      hops: {
        hosts: ['*.example.com'],
        logins: [sshd.user],
        role: bao.role,
        // A jump host forwards a port, which the role's default does not allow.
        extensions: ['permit-pty', 'permit-port-forwarding'],
      },
    }),
  });
  const files = tempDirectory();
  let second: Sshd;
  /** Names both servers for ssh itself and for the ssh that it starts for a hop. */
  let config: string;

  beforeAll(async () => {
    const { bao, sshd, knownHosts } = rig();
    second = await startSshd({ userCas: [bao.caPublicKey] });
    const servers = Object.entries({ one: sshd, two: second });
    for (const [name, { hostKeys }] of servers) {
      const lines = hostKeys.map((key) => knownHostsLine([`${name}.example.com`], key.publicKey));
      appendFileSync(knownHosts, lines.map((line) => `${line}\n`).join(''));
    }
    const blocks = servers.map(
      ([name, { port }]) =>
        `Host ${name}\n HostName 127.0.0.1\n Port ${port}\n HostKeyAlias ${name}.example.com\n`,
    );
    const common = `Host *\n UserKnownHostsFile ${knownHosts}\n IdentityFile none\n BatchMode yes\n LogLevel ERROR\n`;
    config = files.write('ssh_config', blocks.join('') + common);
  });
  afterAll(async () => {
    await second?.stop();
    files.remove();
  });

  const client = (): ClientOptions => ({
    port: rig().sshd.port,
    knownHosts: rig().knownHosts,
    agent: rig().warden.socket,
  });
  const env = () => clientEnvironment(client());
  const witness = () => watch(rig().warden, rig().sshd, second);

  test('a command has its output, its errors and its exit status', async () => {
    const seen = witness();
    const command = ['echo out; echo err >&2; exit 42'];
    expect(await rig().login({ command })).toMatchObject({
      stdout: 'out\n',
      stderr: expect.stringContaining('err\n'),
      code: 42,
    });
    await seen.certifiedLogins(1);
  });

  test('a megabyte of standard input arrives as it was', async () => {
    const seen = witness();
    const stdin = randomBytes(1024 * 1024);
    const { stdout } = await rig().login({ command: ['sha256sum'], stdin });
    expect(stdout).toContain(createHash('sha256').update(stdin).digest('hex'));
    await seen.certifiedLogins(1);
  });

  test('scp copies there and back', async () => {
    const seen = witness();
    const bytes = randomBytes(100_000);
    const here = files.write('here', bytes);
    await mustRun('scp', [...clientArguments(client()), here, `127.0.0.1:${files.join('there')}`], {
      env: env(),
    });
    await mustRun(
      'scp',
      [...clientArguments(client()), `127.0.0.1:${files.join('there')}`, files.join('back')],
      { env: env() },
    );
    expect(readFileSync(files.join('back'))).toEqual(bytes);
    await seen.certifiedLogins(2);
  });

  test('sftp runs a batch in one login', async () => {
    const seen = witness();
    const batch = files.write(
      'batch',
      `put ${files.write('local', 'by sftp')} ${files.join('remote')}\nget ${files.join('remote')} ${files.join('again')}\n`,
    );
    await mustRun('sftp', [...clientArguments(client()), '-b', batch, '127.0.0.1'], { env: env() });
    expect(readFileSync(files.join('again'), 'utf8')).toBe('by sftp');
    await seen.certifiedLogins(1);
  });

  test('rsync copies a tree', async (context) => {
    if (findProgram('rsync') === undefined) context.skip('no rsync on this machine');
    const seen = witness();
    await mustRun('mkdir', ['-p', files.join('tree/sub')]);
    files.write('tree/sub/leaf', 'green');
    const over = ['-a', '-e', sshCommandLine(client())];
    await mustRun('rsync', [...over, files.join('tree'), `127.0.0.1:${files.join('copied')}`], {
      env: env(),
    });
    expect(readFileSync(files.join('copied/tree/sub/leaf'), 'utf8')).toBe('green');
    await seen.certifiedLogins(1);
  });

  test('git clones and pushes', async (context) => {
    if (findProgram('git') === undefined) context.skip('no git on this machine');
    const seen = witness();
    const git = (...args: readonly string[]) =>
      mustRun('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
        env: { ...env(), HOME: files.path, GIT_SSH_COMMAND: sshCommandLine(client()) },
      });
    const bare = files.join('bare.git');
    const clone = files.join('clone');
    await git('init', '-q', '--bare', bare);
    await git('clone', '-q', `ssh://127.0.0.1${bare}`, clone);
    await git('-C', clone, 'commit', '-q', '--allow-empty', '-m', 'over ssh');
    await git('-C', clone, 'push', '-q', 'origin', 'HEAD:refs/heads/pushed');
    expect(await git('-C', bare, 'log', '--format=%s', 'pushed')).toBe('over ssh\n');
    await seen.certifiedLogins(2);
  });

  test('a person at a terminal has a terminal over there', async () => {
    const seen = witness();
    const argv = sshArgv({
      ...client(),
      args: ['-tt'],
      command: ['test -t 0 && stty size && read name && echo hello $name; exit 5'],
    });
    const result = await runInTerminal(argv, { env: env(), typed: [{ after: '24 80', send: 'ann\r' }] });
    expect(result.stdout).toContain('hello ann');
    expect(result.code).toBe(5);
    await seen.certifiedLogins(1);
  });

  test('a multiplexed connection has one certificate for all its sessions', async () => {
    const seen = witness();
    const options = [`ControlPath=${files.socket('mux')}`, 'ControlMaster=auto', 'ControlPersist=30'];
    try {
      for (const word of ['first', 'second', 'third']) {
        expect(await rig().login({ options, command: ['echo', word] })).toMatchObject({
          stdout: `${word}\n`,
          code: 0,
        });
      }
      const both = ['fourth', 'fifth'].map((word) => rig().login({ options, command: ['echo', word] }));
      expect((await Promise.all(both)).map(({ stdout }) => stdout)).toEqual(['fourth\n', 'fifth\n']);
    } finally {
      await rig().login({ options, args: ['-O', 'exit'], command: [] });
    }
    await seen.certifiedLogins(1);
  });

  test('two hosts at once', async () => {
    const seen = witness();
    const { warden } = rig();
    const to = (host: string, args: readonly string[] = []) =>
      run('ssh', ['-F', config, ...args, host, 'echo', '$SSH_CONNECTION'], {
        env: clientEnvironment({ agent: warden.socket }),
      });
    const [one, two] = await Promise.all([to('one'), to('two')]);
    expect([one.code, two.code]).toEqual([0, 0]);
    expect(one.stdout.trim().split(' ').at(-1)).toBe(`${rig().sshd.port}`);
    expect(two.stdout.trim().split(' ').at(-1)).toBe(`${second.port}`);
    await seen.certifiedLogins(2);
  });

  test('each hop of a ProxyJump has a certificate of its own', async () => {
    const seen = witness();
    const args = ['-F', config, '-J', 'one', 'two', 'echo', '$SSH_CONNECTION'];
    const result = await run('ssh', args, { env: clientEnvironment({ agent: rig().warden.socket }) });
    expect(result).toMatchObject({ code: 0 });
    const [hop, last] = await seen.certifiedLogins(2);
    const minted = seen.records().filter(({ phase }) => phase === 'result');
    expect(minted.map(({ host, lane, cert }) => [host, lane, cert?.serial])).toEqual([
      ['one.example.com', 'hops', hop],
      ['two.example.com', 'hops', last],
    ]);
  });
});
