import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SshLab, startSshLab } from './ssh-lab.ts';

let lab: SshLab;
let good: string;
beforeAll(async () => {
  lab = await startSshLab();
  good = lab.certificate(['-I', 'someone', '-n', 'demo', '-z', '42', '-V', '-1m:+5m']);
});
afterAll(() => lab.stop());

describe('login with a certificate, by the system ssh', () => {
  it('runs the command, and reports who logged in', async () => {
    const outcome = await lab.ssh(good, ['echo "$USER in $PWD"']);
    expect(outcome).toMatchObject({ status: 0, stdout: `demo in ${lab.home}\n` });
    const report = lab.logins.at(-1);
    expect(report?.user).toBe('demo');
    expect(report?.certificate?.serial).toBe(42n);
    expect(report?.certificate?.keyId).toBe('someone');
    expect(report?.remote).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(lab.keygen('-lf', `${lab.key}.pub`)).toContain(report?.fingerprint);
    expect(lab.log.at(-1)).toContain('not for production');
  });

  it('passes on the exit status, both streams and a signal', async () => {
    const outcome = await lab.ssh(good, ['cat; echo oops >&2; exit 7'], 'in\n');
    expect(outcome).toMatchObject({ status: 7, stdout: 'in\n' });
    expect(outcome.stderr).toContain('oops');
    const killed = await lab.ssh(good, ['kill -TERM $$']);
    expect(killed.status).toBe(255);
    expect((await lab.ssh(good, ['true'])).stderr).toBe('');
  });

  it('carries a megabyte both ways unchanged', async () => {
    const text = 'x'.repeat(1024 * 1024);
    expect((await lab.ssh(good, ['cat'], text)).stdout).toBe(text);
  });

  it('takes only TERM of the environment', async () => {
    const env = ['-o', 'SetEnv=TERM=dumb', '-o', 'SetEnv=EVIL=1'];
    const outcome = await lab.run('ssh', [
      ...lab.options(good),
      ...env,
      ...['-p', String(lab.port), 'demo@127.0.0.1', 'echo "$EVIL|"'],
    ]);
    expect(outcome.stdout).toBe('|\n');
  });

  it('serves a shell with and without a pty', async () => {
    expect((await lab.ssh(good, [], 'echo hi; exit 3\n')).stdout).toBe('hi\n');
    const outcome = await lab.ssh(good, ['-tt'], 'echo $((20+3))\rexit 3\r');
    expect(outcome.stdout).toContain('23\r\n');
    expect(outcome.stdout).toContain('no real terminal');
    expect(outcome.status).toBe(3);
  });

  it('works through an agent that holds key and certificate', async () => {
    const socket = join(lab.dir, 'agent.sock');
    // ssh-agent runs the command and ends with it.
    const script = `ssh-add -q ${lab.dir}/held && exec ssh ${['-F', '/dev/null', '-o', `UserKnownHostsFile=${lab.dir}/known_hosts`, '-o', 'BatchMode=yes', '-p', String(lab.port), 'demo@127.0.0.1', 'echo agent'].join(' ')}`;
    // A copy: ssh would also find a certificate beside the key of the other tests.
    const held = join(lab.dir, 'held');
    writeFileSync(held, readFileSync(lab.key), { mode: 0o600 });
    writeFileSync(`${held}-cert.pub`, readFileSync(good));
    const outcome = await lab.run('ssh-agent', ['-a', socket, '/bin/sh', '-c', script]);
    expect(outcome).toMatchObject({ status: 0, stdout: 'agent\n' });
    expect(lab.logins.at(-1)?.certificate?.serial).toBe(42n);
  });

  it('maps principals to logins where it is told to', async () => {
    const certificate = lab.certificate(['-I', 'x', '-n', 'adm-full', '-V', '+5m']);
    const outcome = await lab.run('ssh', [
      ...lab.options(certificate),
      '-p',
      String(lab.port),
      'mapped@127.0.0.1',
      'true',
    ]);
    expect(outcome.status).toBe(0);
    expect((await lab.ssh(certificate, ['true'])).status).toBe(255);
  });

  it('jumps to a port on loopback (ssh -W), and refuses without permit-port-forwarding', async () => {
    const outcome = await lab.ssh(good, ['-W', `127.0.0.1:${lab.port}`]);
    expect(outcome.stdout).toContain('SSH-2.0-warden-lab');
    const bare = lab.certificate(['-I', 'x', '-n', 'demo', '-V', '+5m', '-O', 'clear']);
    expect((await lab.ssh(bare, ['-W', `127.0.0.1:${lab.port}`])).status).not.toBe(0);
  });
});

describe('refusals', () => {
  const reason = () => lab.log.findLast((line) => line.includes('refused'));
  const refuses = async (certificate: string | undefined, why: string) => {
    lab.log.length = 0;
    const before = lab.logins.length;
    const outcome = await lab.ssh(certificate, ['true']);
    expect(outcome.status).toBe(255);
    expect(outcome.stderr).toContain('Permission denied (publickey)');
    expect(
      lab.log.some((line) => line.includes(why)),
      reason(),
    ).toBe(true);
    expect(lab.logins.length).toBe(before);
  };

  it('a CA that is not trusted', async () => {
    const stranger = join(lab.dir, 'stranger');
    lab.keygen('-q', '-t', 'ed25519', '-N', '', '-f', stranger);
    await refuses(lab.certificate(['-I', 'x', '-n', 'demo', '-V', '+5m'], stranger), 'CA not trusted');
  });
  it('expired', async () => {
    await refuses(lab.certificate(['-I', 'x', '-n', 'demo', '-V', '-10m:-5m']), 'expired');
  });
  it('not yet valid', async () => {
    await refuses(lab.certificate(['-I', 'x', '-n', 'demo', '-V', '+5m:+10m']), 'not yet valid');
  });
  it('another principal', async () => {
    await refuses(lab.certificate(['-I', 'x', '-n', 'root', '-V', '+5m']), 'not a listed principal');
  });
  it('no principals at all', async () => {
    await refuses(lab.certificate(['-I', 'x', '-V', '+5m']), 'lacks principal list');
  });
  it('another source address, and accepts the right one', async () => {
    const args = ['-I', 'x', '-n', 'demo', '-V', '+5m', '-O'];
    await refuses(lab.certificate([...args, 'source-address=10.0.0.0/8,192.0.2.1']), 'Address not permitted');
    const right = lab.certificate([...args, 'source-address=10.0.0.0/8,127.0.0.0/8']);
    expect((await lab.ssh(right, ['true'])).status).toBe(0);
  });
  it('an unknown critical option', async () => {
    const certificate = lab.certificate([
      '-I',
      'x',
      '-n',
      'demo',
      '-V',
      '+5m',
      '-O',
      'critical:new@example.com=1',
    ]);
    await refuses(certificate, 'is not supported');
  });
  it('a plain key that is not authorized; an authorized one logs in', async () => {
    await refuses(undefined, 'key not authorized');
    lab.authorize(readFileSync(`${lab.key}.pub`, 'utf8'));
    expect((await lab.ssh(undefined, ['true'])).status).toBe(0);
    expect(lab.logins.at(-1)?.certificate).toBeUndefined();
  });
  it('a pty without permit-pty', async () => {
    const bare = lab.certificate(['-I', 'x', '-n', 'demo', '-V', '+5m', '-O', 'clear']);
    expect((await lab.ssh(bare, ['-tt', 'true'])).stderr).toContain('PTY allocation request failed');
  });
});

describe('force-command', () => {
  it('runs in place of a command, of a shell and of sftp', async () => {
    const forced = lab.certificate([
      ...['-I', 'x', '-n', 'demo', '-V', '+5m', '-O', 'force-command=echo "forced: $SSH_ORIGINAL_COMMAND"'],
    ]);
    expect((await lab.ssh(forced, ['id'])).stdout).toBe('forced: id\n');
    expect((await lab.ssh(forced, [])).stdout).toBe('forced: \n');
    expect((await lab.ssh(forced, ['-s', 'sftp'])).stdout).toBe('forced: sftp\n');
  });
});

describe('files', () => {
  const sftp = (batch: string) =>
    lab.run('sftp', ['-q', ...lab.options(good), '-P', String(lab.port), '-b', '-', 'demo@127.0.0.1'], batch);
  const scp = (...args: string[]) =>
    lab.run('scp', ['-q', ...lab.options(good), '-P', String(lab.port), ...args]);

  it('scp copies there and back, alone and in directories', async () => {
    const source = join(lab.dir, 'source');
    mkdirSync(join(source, 'deep'), { recursive: true });
    const bytes = Buffer.alloc(700_000, 'warden');
    writeFileSync(join(source, 'deep', 'file'), bytes);
    expect(await scp(join(source, 'deep', 'file'), 'demo@127.0.0.1:copied')).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(readFileSync(join(lab.home, 'copied')).equals(bytes)).toBe(true);
    expect((await scp('-rp', source, 'demo@127.0.0.1:')).status).toBe(0);
    expect((await scp('-r', 'demo@127.0.0.1:source', join(lab.dir, 'back'))).status).toBe(0);
    expect(readFileSync(join(lab.dir, 'back', 'deep', 'file')).equals(bytes)).toBe(true);
  });

  it('sftp makes, lists, renames, removes', async () => {
    writeFileSync(join(lab.dir, 'local'), 'hello');
    const outcome = await sftp(
      `mkdir d\ncd d\nput ${lab.dir}/local a\nchmod 600 a\nrename a b\nls -l\nget b ${lab.dir}/fetched\nrm b\ncd ..\nrmdir d\npwd\n`,
    );
    expect(outcome.status, outcome.stderr).toBe(0);
    expect(outcome.stdout).toContain('-rw-------');
    expect(outcome.stdout).toContain(lab.home);
    expect(readFileSync(join(lab.dir, 'fetched'), 'utf8')).toBe('hello');
    expect(existsSync(join(lab.home, 'd'))).toBe(false);
  });

  it('leaves nothing outside the root, neither by path nor by link', async () => {
    const outside = join(lab.dir, 'outside');
    writeFileSync(outside, 'secret');
    symlinkSync(outside, join(lab.home, 'link'));
    symlinkSync(join(lab.dir, 'absent'), join(lab.home, 'dangling'));
    symlinkSync(tmpdir(), join(lab.home, 'updir'));
    for (const path of ['../outside', outside, 'link', `updir/${lab.dir.split('/').at(-1)}/outside`]) {
      expect((await sftp(`get ${path} ${lab.dir}/stolen\n`)).status, path).not.toBe(0);
      expect(existsSync(join(lab.dir, 'stolen'))).toBe(false);
    }
    for (const path of ['../new', 'dangling', 'updir/warden-new']) {
      expect((await sftp(`put ${lab.dir}/outside ${path}\n`)).status, path).not.toBe(0);
    }
    expect(existsSync(join(lab.dir, 'new')) || existsSync(join(lab.dir, 'absent'))).toBe(false);
  });
});
