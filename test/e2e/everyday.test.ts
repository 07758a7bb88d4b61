/** Set-ups that people have every day, by the system's own programs; others are in clients.test.ts and names.test.ts. docs/recipes.md names them. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostName, knownHostsLine } from '../support/known-hosts.ts';
import { freePort } from '../support/openbao.ts';
import { blocks } from '../support/pages.ts';
import { findProgram, mustRun, run, start } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { watch } from '../support/witness.ts';

/** The first line that a server says through a SOCKS5 proxy on loopback (RFC 1928, without authentication). */
function throughSocks(proxy: number, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(proxy, '127.0.0.1', () => socket.write(Buffer.from([5, 1, 0])));
    let got = Buffer.alloc(0);
    let asked = false;
    socket.on('data', (chunk) => {
      got = Buffer.concat([got, chunk]);
      if (!asked && got.length >= 2) {
        asked = true;
        got = got.subarray(2);
        socket.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff]));
      }
      // The answer has ten bytes.
      const end = got.indexOf('\n');
      if (end > 10) {
        socket.destroy();
        resolve(got.toString('latin1', 10, end).trim());
      }
    });
    socket.once('error', reject);
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
  });
}

describe('everyday ssh', { timeout: 90_000 }, () => {
  const rig = useRig({
    // The shells over there must not run this user's own start-up files.
    sshd: { config: ['SetEnv HOME=/nonexistent'] },
    lanes: ({ bao, sshd }) => ({
      example: {
        hosts: ['*.example.com', `[*.example.com]:${sshd.port}`],
        logins: [sshd.user],
        role: bao.role,
        extensions: ['permit-pty', 'permit-port-forwarding'],
      },
    }),
  });
  const files = tempDirectory('every-');
  let common: string;
  afterAll(() => files.remove());
  beforeAll(() => {
    const { sshd, knownHosts } = rig();
    const names = ['web1.example.com', 'web2.example.com', hostName('web9.example.com', sshd.port)];
    for (const { publicKey } of sshd.hostKeys)
      appendFileSync(knownHosts, `${knownHostsLine(names, publicKey)}\n`);
    common = `Host *\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile /dev/null\n  IdentityFile none\n  BatchMode yes\n  LogLevel ERROR\n`;
  });
  const env = () => ({ SSH_AUTH_SOCK: rig().warden.socket, HOME: files.path });
  const witness = () => watch(rig().warden, rig().sshd);
  const config = (text: string) => files.write('ssh_config', text);
  const alias = (name: string) => `Host ${name}\n  HostKeyAlias ${name}\n`;
  const lastHost = () =>
    rig()
      .warden.trail()
      .findLast(({ phase }) => phase === 'result')?.host;

  test('VS Code’s way: no terminal, a shell on standard input, a SOCKS proxy beside it', async () => {
    const seen = witness();
    const proxy = await freePort();
    const file = config(alias('web1.example.com') + common);
    const args = ['-F', file, '-T', '-D', `${proxy}`, '-o', 'ConnectTimeout=15', 'web1.example.com', 'sh'];
    const session = start('ssh', args, { env: env() });
    try {
      session.write('echo "started on $$"\n');
      await session.waitFor(/started on \d+/);
      expect(await throughSocks(proxy, rig().sshd.port)).toMatch(/^SSH-2\.0-/);
      session.write('exit 3\n');
      expect((await session.ended).code).toBe(3);
    } finally {
      await session.stop();
    }
    await seen.certifiedLogins(1);
  });

  test('ProxyCommand: each hop has a certificate of its own', async () => {
    const seen = witness();
    const file = files.join('ssh_config');
    const proxy = `Host web2.example.com\n  ProxyCommand ssh -F ${file} -W %h:%p web1.example.com\n`;
    config(proxy + alias('web1.example.com') + alias('web2.example.com') + common);
    const result = await run('ssh', ['-F', file, 'web2.example.com', 'echo in'], { env: env() });
    expect(result).toMatchObject({ code: 0, stdout: 'in\n' });
    await seen.certifiedLogins(2);
  });

  test('Match blocks by typed name, by host and by user, behind an Include', async () => {
    const { sshd } = rig();
    const seen = witness();
    const included = files.write(
      'included',
      `Match originalhost short user ${sshd.user}\n  HostKeyAlias web1.example.com\nMatch originalhost short user nobody\n  HostKeyAlias elsewhere\n`,
    );
    const file = config(`Include ${included}\nMatch host other\n  HostKeyAlias web2.example.com\n${common}`);
    for (const [typed, name] of [
      ['short', 'web1.example.com'],
      ['other', 'web2.example.com'],
    ] as const) {
      expect(await run('ssh', ['-F', file, typed, 'true'], { env: env() })).toMatchObject({ code: 0 });
      expect(lastHost()).toBe(name);
    }
    await seen.certifiedLogins(2);
  });

  test('CanonicalizeHostname: the name that ssh makes of the typed one leads to the lane', async (context) => {
    const { sshd, knownHosts } = rig();
    const hosts = files.write('hosts', '127.0.0.1 localhost web9.example.com web9.example.com.\n', 0o644);
    const namespace = ['--mount', 'sh', '-c', `mount --bind '${hosts}' /etc/hosts && exec "$@"`, 'sh'];
    if ((await run('unshare', [...namespace, 'true']).catch(() => undefined))?.code !== 0)
      context.skip('no namespace in which the name can be known');
    const seen = witness();
    const file = config(
      `CanonicalizeHostname yes\nCanonicalDomains example.com\nHost *\n  Port ${sshd.port}\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile /dev/null\n  IdentityFile none\n  BatchMode yes\n`,
    );
    const result = await run('unshare', [...namespace, 'ssh', '-F', file, 'web9', 'echo in'], { env: env() });
    expect(result, result.stderr).toMatchObject({ code: 0, stdout: 'in\n' });
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe(hostName('web9.example.com', sshd.port));
  });

  test('known_hosts of a project: refused by name until the agent knows the file, then a login', async () => {
    const { warden, bao } = rig();
    const sshd = await startSshd({ userCas: [bao.caPublicKey] });
    const lines = sshd.hostKeys.map((key) => `${knownHostsLine(['db1.example.com'], key.publicKey)}\n`);
    const project = files.write('project_known_hosts', lines.join(''));
    const file = config(
      `Host db1.example.com\n  HostKeyAlias db1.example.com\n  UserKnownHostsFile ${project}\n  Port ${sshd.port}\n${common}`,
    );
    const login = () => run('ssh', ['-F', file, 'db1.example.com', 'true'], { env: env() });
    const before = readFileSync(warden.configFile, 'utf8');
    try {
      expect(await login()).toMatchObject({ code: 255 });
      expect((await warden.cli(['why'])).stdout).toMatch(/\(unknown_host_key\)\n {2}→ .*known_hosts/);
      writeFileSync(warden.configFile, before.replace('known_hosts:\n', `known_hosts:\n    - ${project}\n`));
      expect(await warden.cli(['agent', '--reload'])).toMatchObject({ code: 0 });
      const seen = watch(warden, sshd);
      expect(await login()).toMatchObject({ code: 0 });
      await seen.certifiedLogins(1);
      expect(lastHost()).toBe('db1.example.com');
    } finally {
      writeFileSync(warden.configFile, before);
      await warden.cli(['agent', '--reload']);
      await sshd.stop();
    }
  });

  test('git with submodules: each repository is a login with a certificate of its own', async (context) => {
    if (findProgram('git') === undefined) context.skip('no git on this machine');
    const file = config(alias('web1.example.com') + common);
    const gitEnv = { ...env(), GIT_SSH_COMMAND: `ssh -F ${file}` };
    const identity = [
      '-c',
      'user.name=t',
      '-c',
      'user.email=t@example.com',
      '-c',
      'protocol.file.allow=always',
    ];
    const git = (...args: readonly string[]) => mustRun('git', [...identity, ...args], { env: gitEnv });
    const url = (name: string) => `ssh://web1.example.com${files.join(name)}`;
    mkdirSync(files.join('work'));
    await git('init', '-q', files.join('part'));
    await git('-C', files.join('part'), 'commit', '-q', '--allow-empty', '-m', 'part');
    await git('init', '-q', files.join('project.git'));
    const seenBefore = witness();
    await git('-C', files.join('project.git'), 'submodule', '--quiet', 'add', url('part'), 'part');
    await git('-C', files.join('project.git'), 'commit', '-q', '-m', 'with a part');
    await seenBefore.certifiedLogins(1);
    const seen = witness();
    const block = blocks('docs/recipes.md', 'recipes:git').replace(
      'ssh://web1.example.com/srv/project.git',
      url('project.git'),
    );
    await mustRun('sh', ['-euc', block], { env: gitEnv, cwd: files.join('work') });
    expect(await git('-C', files.join('work/project/part'), 'log', '--format=%s')).toBe('part\n');
    await seen.certifiedLogins(2);
  });
});
