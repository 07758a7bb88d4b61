/** The tests' own parts, tried on the real programs: what the other end-to-end tests stand on. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { certify, type KeyFile, makeKey } from '../support/keys.ts';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { run, runInTerminal, start } from '../support/process.ts';
import { clientArguments, ssh, sshArgv, sshCommandLine } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { parseLogins, type Sshd, sshdMissing, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { createUser, type User, usersMissing } from '../support/users.ts';

describe('process', () => {
  test('a child has a minimal environment, its input and its exit code', async () => {
    process.env['SSH_AUTH_SOCK'] = '/leak';
    const result = await run('sh', ['-c', 'cat; echo "[$SSH_AUTH_SOCK]$X" >&2; exit 7'], {
      stdin: 'in',
      env: { X: 'y' },
    });
    expect(result).toEqual({ stdout: 'in', stderr: '[]y\n', code: 7, signal: null, timedOut: false });
  });

  test('a child past its deadline is killed with its children', async () => {
    const result = await run('sh', ['-c', 'sleep 60 & echo $!; wait'], { deadline: 300 });
    expect(result).toMatchObject({ signal: 'SIGKILL', timedOut: true });
    expect(existsSync(`/proc/${result.stdout.trim()}/exe`)).toBe(false);
  });

  test('waitFor sees output as it comes and says when the child has ended without it', async () => {
    const child = start('sh', ['-c', 'echo ready; read line; echo "got $line"']);
    await child.waitFor('ready');
    child.write('it\n');
    await child.waitFor(/got it/);
    await expect(child.waitFor('never')).rejects.toThrow('ended before never');
    expect((await child.stop()).code).toBe(0);
  });

  test('a terminal is one: it is typed on, it interrupts, and its program has an exit code', async () => {
    const script =
      'test -t 0 && test -t 2 && stty size && printf "name? " && read n && echo "hello $n"; exit 3';
    const asked = await runInTerminal(['sh', '-c', script], { typed: [{ after: 'name? ', send: 'ann\r' }] });
    expect(asked.stdout).toContain('24 80');
    expect(asked.stdout).toContain('hello ann');
    expect(asked.code).toBe(3);
    const typed = [{ after: 'up', send: '\x03' }];
    expect((await runInTerminal(['sh', '-c', 'echo up; exec sleep 60'], { typed })).code).toBe(130);
  });
});

const noSshd = sshdMissing();

describe('ssh against sshd', () => {
  const directory = tempDirectory();
  let ca: KeyFile;
  let key: KeyFile;
  let agent: SshAgent;
  let sshd: Sshd;
  let knownHosts: string;

  beforeAll(async () => {
    if (noSshd !== undefined) return;
    ca = await makeKey(directory.path, 'ca');
    key = await makeKey(directory.path, 'id', 'ecdsa256');
    await certify(ca, key, { keyId: 'a key (serial 9) CA', principals: ['ops'], serial: 42 });
    agent = await startSshAgent();
    await agent.add(key.path);
    sshd = await startSshd({
      userCas: [ca.publicKey],
      hostKeys: ['ecdsa384', 'rsa'],
      principals: { [userInfo().username]: ['ops'] },
    });
    knownHosts = await writeKnownHosts(directory, sshd.knownHosts(), { hashed: true });
  });

  afterAll(async () => {
    await agent?.stop();
    await sshd?.stop();
    directory.remove();
  });

  test('a certificate of the agent logs in, over a hashed known_hosts, and is in the log', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    expect(await agent.list()).toHaveLength(2);
    expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|/);
    const result = await ssh({
      port: sshd.port,
      user: sshd.user,
      agent: agent.socket,
      knownHosts,
      command: ['echo', 'over there'],
    });
    expect(result).toMatchObject({ stdout: 'over there\n', stderr: '', code: 0 });

    expect(await sshd.waitForLogins(1)).toEqual([
      {
        user: sshd.user,
        keyType: 'ECDSA-CERT',
        fingerprint: fingerprint(parsePublicKeyLine(key.publicKey).blob),
        certificate: {
          keyId: 'a key (serial 9) CA',
          serial: 42n,
          caFingerprint: fingerprint(parsePublicKeyLine(ca.publicKey).blob),
        },
      },
    ]);
  });

  test('no agent, no trusted host: no login', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const login = { port: sshd.port, user: sshd.user };
    expect(await ssh({ ...login, knownHosts })).toMatchObject({ code: 255 });
    const unknown = await ssh({ ...login, agent: agent.socket });
    expect(unknown.stderr).toContain('Host key verification failed');
  });

  test('scp and rsync take the same options', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const options = { port: sshd.port, user: sshd.user, identityAgent: agent.socket, knownHosts };
    const source = directory.write('source', 'bytes');
    const scp = await run('scp', [
      ...clientArguments(options),
      source,
      `127.0.0.1:${directory.join('by-scp')}`,
    ]);
    expect(scp).toMatchObject({ stderr: '', code: 0 });
    expect(readFileSync(directory.join('by-scp'), 'utf8')).toBe('bytes');
    const rsh = ['-e', sshCommandLine(options)];
    const rsync = await run('rsync', [...rsh, source, `127.0.0.1:${directory.join('by-rsync')}`]);
    expect(rsync).toMatchObject({ stderr: '', code: 0 });
    expect(readFileSync(directory.join('by-rsync'), 'utf8')).toBe('bytes');
  });

  test('a terminal reaches through ssh, with the exit code of the far side', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    if (process.getuid?.() !== 0) ctx.skip('an sshd without root gives no terminal');
    const options = { port: sshd.port, user: sshd.user, identityAgent: agent.socket, knownHosts };
    const shell = await runInTerminal(
      sshArgv({ ...options, args: ['-t'], command: ['tty', '&&', 'exit', '5'] }),
    );
    expect(shell.stdout).toMatch(/\/dev\/pts\/\d+/);
    expect(shell.code).toBe(5);
  });

  test('connections can be dropped while the listener lives', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const options = { port: sshd.port, user: sshd.user, identityAgent: agent.socket, knownHosts };
    const [program = '', ...args] = sshArgv({ ...options, command: ['echo up; exec sleep 60'] });
    const client = start(program, args);
    await client.waitFor('up');
    sshd.dropConnections();
    expect((await client.ended).code).toBe(255);
    expect((await ssh(options)).code).toBe(0);
  });
});

test('an extra user logs in where the login name is the principal, over a host certificate', async (ctx) => {
  const missing = noSshd ?? usersMissing();
  if (missing !== undefined) ctx.skip(missing);
  const directory = tempDirectory();
  let user: User | undefined;
  let sshd: Sshd | undefined;
  try {
    user = await createUser();
    const ca = await makeKey(directory.path, 'ca', 'rsa');
    const key = await makeKey(directory.path, 'id');
    await certify(ca, key, { principals: [user.name] });
    sshd = await startSshd({ userCas: [ca.publicKey], hostCertificate: { principals: ['web1'] } });
    const trusted = knownHostsLine(['web1'], sshd.hostCa?.publicKey ?? '', '@cert-authority');
    const result = await ssh({
      port: sshd.port,
      user: user.name,
      identities: [key.path],
      knownHosts: await writeKnownHosts(directory, [trusted]),
      options: ['HostKeyAlias=web1'],
      command: ['id', '-un', '&&', 'pwd'],
    });
    expect(result.stderr).toBe('');
    expect(result.stdout).toBe(`${user.name}\n${user.home}\n`);
  } finally {
    await sshd?.stop();
    await user?.remove();
    directory.remove();
  }
  expect(() => execFileSync('id', [user.name], { stdio: 'pipe' })).toThrow('no such user');
});

test('a plain key in the log has no certificate', () => {
  const log = 'Accepted publickey for ops from 127.0.0.1 port 4242 ssh2: RSA SHA256:abc\nConnection closed\n';
  expect(parseLogins(log)).toEqual([
    { user: 'ops', keyType: 'RSA', fingerprint: 'SHA256:abc', certificate: undefined },
  ]);
});
