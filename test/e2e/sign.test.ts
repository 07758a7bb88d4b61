/** `warden sign` and `warden issue` on real parts, with a daemon and without one: contract 1.0, every refusal, many at once. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Certificate,
  certificateBlobOf,
  parseCertificate,
  verifyCertificate,
} from '../../src/ssh/certificate.ts';
import { parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifyTrail } from '../../src/trail/verify.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { mustRun, type Result, run, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';

const LINE = /^ssh-ed25519-cert-v01@openssh\.com [A-Za-z0-9+/=]+\n$/;
const NO_TTY = { BAO_TOKEN: undefined, VAULT_TOKEN: undefined };

const rig = useRig({
  warden: ({ bao, sshd }) => ({
    openbao: {
      addr: bao.addr,
      token: bao.token,
      settings: { role_map: { adm: bao.role, agt: bao.role, atm: 'anything' } },
    },
    actors: {
      'agt-tunnel': { type: 'agt', principals: [sshd.user, 'ops'] },
      'agt-hour': { type: 'agt', principals: [sshd.user], ttl_hours: 1 },
      'atm-any': { type: 'atm', principals: [sshd.user] },
      'adm-files': { type: 'adm', principals: [sshd.user], ttl_hours: 1, files: 'allow' },
    },
  }),
});

let key: KeyFile;

/** The usual role, for any of the actors here. */
function openRole(): Promise<void> {
  const { bao } = rig();
  return bao.writeRole(bao.role, { max_ttl: '48h', allowed_users: '*' });
}

beforeAll(async () => {
  const { bao, directory } = rig();
  key = await makeKey(directory.path, 'tool');
  await openRole();
  await bao.writeRole('anything', {
    max_ttl: '48h',
    allowed_users: '*',
    allowed_user_key_lengths: { rsa: [2048, 3072] },
  });
  await bao.api('POST', `sys/policies/acl/${bao.role}`, {
    policy: `path "${bao.mount}/sign/*" { capabilities = ["update"] }`,
  });
});

function sign(actor: string, ...args: string[]): Promise<Result> {
  return rig().warden.cli(['sign', actor, '--pubkey', `${key.path}.pub`, ...args], NO_TTY);
}

function read(text: string): Certificate {
  return parseCertificate(certificateBlobOf(text));
}

/** The record of its result in the trail. */
function minted(certificate: Certificate) {
  return rig()
    .warden.trail()
    .find(({ phase, cert }) => phase === 'result' && cert?.serial === certificate.serial.toString());
}

describe.each([
  ['with a daemon', true],
  ['without a daemon', false],
])('%s', (_name, daemon) => {
  beforeAll(async () => {
    const { warden } = rig();
    if (daemon !== (warden.pid !== undefined)) await (daemon ? warden.start() : warden.stop());
  });

  test('prints the certificate alone, keeps it in state_dir, and sshd takes it', async () => {
    const { warden, sshd, knownHosts } = rig();
    const result = await sign('agt-tunnel', '--ttl', '5m', '--reason', 'nightly copy');
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(LINE) });
    expect(result.stderr).toMatch(/^warden: agt-tunnel as .* until .*, serial \d+\n$/);
    const certificate = read(result.stdout);
    expect(verifyCertificate(certificate)).toBe(true);
    expect(certificate.publicKey).toEqual(parsePublicKeyLine(key.publicKey).blob);
    expect([...certificate.principals].sort()).toEqual([sshd.user, 'ops'].sort());
    const file = join(warden.stateDir, 'agt-tunnel-cert.pub');
    expect(readFileSync(file, 'utf8')).toBe(result.stdout);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(minted(certificate)).toMatchObject({ unbound: true, source: 'sign', actor: { id: 'agt-tunnel' } });
    expect(
      warden.trail().some(({ phase, message }) => phase === 'intent' && message === 'nightly copy'),
    ).toBe(true);
    const login = await ssh({
      port: sshd.port,
      knownHosts,
      identities: [key.path],
      options: [`CertificateFile=${file}`, 'IdentitiesOnly=yes', 'IdentityAgent=none'],
      command: ['echo in'],
    });
    expect(login).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  test('the TTL is the actor’s cap unless told, a bare number is hours, and fewer principals may be asked for', async () => {
    const cap = read((await sign('agt-hour')).stdout);
    expect(Number(cap.validBefore - cap.validAfter)).toBe(3600 + 30);
    const hour = read((await sign('agt-tunnel', '--ttl', '1', '--principal', 'ops')).stdout);
    expect(Number(hour.validBefore - hour.validAfter)).toBe(3600 + 30);
    expect(hour.principals).toEqual(['ops']);
  });

  test('--out, --format and - for standard input', async () => {
    const { warden, directory } = rig();
    const out = directory.join(`out-${daemon}-cert.pub`);
    const path = await sign('agt-tunnel', '--out', out, '--format', 'path');
    expect(path).toMatchObject({ code: 0, stdout: `${out}\n` });
    const piped = await run(
      'sh',
      [
        '-c',
        `"$1" sign agt-tunnel --pubkey - --format json < "$2"`,
        'sh',
        'scripts/warden',
        `${key.path}.pub`,
      ],
      {
        env: { ...warden.env, ...NO_TTY },
      },
    );
    const json: unknown = JSON.parse(piped.stdout);
    expect(json).toMatchObject({ actor: 'agt-tunnel', file: join(warden.stateDir, 'agt-tunnel-cert.pub') });
    const fifo = await run(
      'bash',
      [
        '-c',
        `"$1" sign agt-tunnel --pubkey <(sleep 0.2; cat "$2")`,
        'sh',
        'scripts/warden',
        `${key.path}.pub`,
      ],
      {
        env: { ...warden.env, ...NO_TTY },
      },
    );
    expect(fifo).toMatchObject({ code: 0, stdout: expect.stringMatching(LINE) });
  });

  test('what is refused says so in one line, and the certificate that was there stays', async () => {
    const { warden, directory, bao } = rig();
    await sign('agt-tunnel');
    const before = readFileSync(join(warden.stateDir, 'agt-tunnel-cert.pub'), 'utf8');
    const short = directory.join('short');
    if (!existsSync(short))
      await mustRun('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', short]);
    const dsa = directory.write('dsa.pub', 'ssh-dss AAAAB3NzaC1kc3MAAACBAAAA dsa\n');
    const security = directory.write(
      'sk.pub',
      `sk-ssh-ed25519@openssh.com ${Buffer.concat([
        Buffer.from('\0\0\0\x1ask-ssh-ed25519@openssh.com\0\0\0\x20'),
        parsePublicKeyLine(key.publicKey).blob.subarray(-32),
        Buffer.from('\0\0\0\x04ssh:'),
      ]).toString('base64')} sk\n`,
    );
    const empty = directory.write('empty.pub', '');
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [['agt-tunnel', '--pubkey', key.path], 65, /private key/],
      [['agt-tunnel', '--pubkey', join(warden.stateDir, 'agt-tunnel-cert.pub')], 65, /certificate already/],
      [['agt-tunnel', '--pubkey', `${short}.pub`], 65, /2048 bits is too short/],
      [['agt-tunnel', '--pubkey', dsa], 65, /ssh-dss.*not supported/],
      [['agt-tunnel', '--pubkey', empty], 65, /empty/],
      [['agt-tunnel', '--pubkey', directory.join('nowhere.pub')], 65, /ENOENT/],
      [['agt-tunnel', '--pubkey', directory.path], 65, /EISDIR/],
      [['atm-any', '--pubkey', security], 77, /key/],
      [['agt-nobody', '--pubkey', `${key.path}.pub`], 77, /not in the inventory/],
      [['adm-test', '--pubkey', `${key.path}.pub`], 77, /no certificates in files/],
      [['agt-hour', '--pubkey', `${key.path}.pub`, '--ttl', '61m'], 77, /3660 s is above the cap/],
      [['agt-hour', '--pubkey', `${key.path}.pub`, '--principal', 'ops'], 77, /lacks "ops"/],
      [['agt-tunnel', '--pubkey', `${key.path}.pub`, '--ttl', 'soon'], 64, /--ttl/],
      [['agt-tunnel'], 64, /--pubkey/],
      [['agt-tunnel', '--pubkey', `${key.path}.pub`, '--out', directory.join('no/where')], 69, /ENOENT/],
      [['atm-any', '--pubkey', `${key.path}.pub`], 77, /./],
    ];
    for (const [words, code, text] of cases) {
      const from = warden.trail().length;
      const result = await warden.cli(['sign', ...words], NO_TTY);
      expect(result, words.join(' ')).toMatchObject({ code, stdout: '' });
      expect(result.stderr.trim().split('\n').at(-1)).toMatch(/^warden: /);
      expect(result.stderr).toMatch(text);
      expect(result.stderr).not.toContain('OPENSSH');
      if (code === 64 || /EN|EISDIR/.test(result.stderr)) continue;
      // Also where OpenBao was never asked. A daemon makes nobody wait for it.
      const refused = await until(`${words.join(' ')} in the trail`, () =>
        warden
          .trail()
          .slice(from)
          .find(({ event }) => event === 'cert.refused'),
      );
      expect(refused).toMatchObject({
        source: 'sign',
        unbound: true,
        outcome: code === 77 ? 'denied' : 'error',
        caller: { pid: expect.any(Number) },
      });
      expect(result.stderr).toContain(refused.message);
    }
    expect(JSON.stringify(warden.trail())).not.toContain('PRIVATE');
    await bao.writeRole(bao.role, { max_ttl: '1m', ttl: '1m', allowed_users: '*' });
    expect(await sign('agt-tunnel')).toMatchObject({ code: 77, stdout: '' });
    await openRole();
    expect(readFileSync(join(warden.stateDir, 'agt-tunnel-cert.pub'), 'utf8')).toBe(before);
  });
});

describe.each([
  ['two hundred through a daemon', true, 200],
  ['forty without one', false, 40],
])('%s', (_name, daemon, count) => {
  test('at once for one actor are as many certificates, and one whole file', {
    timeout: 180_000,
  }, async () => {
    const { warden } = rig();
    if (daemon !== (warden.pid !== undefined)) await (daemon ? warden.start() : warden.stop());
    const results = await Promise.all(Array.from({ length: count }, () => sign('agt-tunnel', '--ttl', '5m')));
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    const serials = new Set(results.map(({ stdout }) => read(stdout).serial));
    expect(serials.size).toBe(count);
    expect(results.every(({ stdout }) => verifyCertificate(read(stdout)))).toBe(true);
    const kept = readFileSync(join(warden.stateDir, 'agt-tunnel-cert.pub'), 'utf8');
    expect(results.map(({ stdout }) => stdout)).toContain(kept);
    expect(readdirSync(warden.stateDir).filter((name) => name.endsWith('.new'))).toEqual([]);
    expect(await verifyTrail(join(warden.stateDir, 'audit'))).toMatchObject({ intact: true });
  });
});

describe('warden issue', () => {
  test('writes a key that ssh uses with its certificate, and refuses places that others can enter', async () => {
    const { warden, sshd, knownHosts, directory } = rig();
    const out = directory.join('issued');
    const result = await warden.cli(['issue', 'agt-tunnel', '--out', out, '--ttl', '5m'], NO_TTY);
    expect(result).toMatchObject({ code: 0, stdout: `${join(out, 'agt-tunnel')}\n` });
    expect(readdirSync(out).sort()).toEqual(['agt-tunnel', 'agt-tunnel-cert.pub', 'agt-tunnel.pub']);
    for (const name of readdirSync(out)) expect(statSync(join(out, name)).mode & 0o777).toBe(0o600);
    expect(await mustRun('ssh-keygen', ['-y', '-f', join(out, 'agt-tunnel')])).toBe(
      readFileSync(join(out, 'agt-tunnel.pub'), 'utf8'),
    );
    const login = await ssh({
      port: sshd.port,
      knownHosts,
      identities: [join(out, 'agt-tunnel')],
      options: ['IdentitiesOnly=yes', 'IdentityAgent=none'],
      command: ['echo in'],
    });
    expect(login).toMatchObject({ code: 0, stdout: 'in\n' });

    const open = directory.join('open');
    mkdirSync(open, { mode: 0o755 });
    expect(await warden.cli(['issue', 'agt-tunnel', '--out', open], NO_TTY)).toMatchObject({
      code: 78,
      stdout: '',
    });
    expect(readdirSync(open)).toEqual([]);
    for (const actor of ['adm-files', 'agt-nobody']) {
      const from = warden.trail().length;
      expect(await warden.cli(['issue', actor, '--out', out], NO_TTY)).toMatchObject({
        code: 77,
        stdout: '',
      });
      expect(warden.trail().slice(from)).toMatchObject([
        { event: 'cert.refused', phase: 'single', source: 'issue', error_code: 'actor_not_allowed' },
      ]);
    }
  });
});

test('who has no token is told which, and who lends one', async () => {
  const { warden } = rig();
  const none = { ...NO_TTY, WARDEN_TEST_TOKEN: undefined };
  const told = {
    code: 77,
    stdout: '',
    stderr: expect.stringMatching(
      /no OpenBao token: WARDEN_TEST_TOKEN empty.*warden route show ops-warden-warden-sign-token\)\n$/,
    ),
  };
  const words = ['sign', 'agt-tunnel', '--pubkey', `${key.path}.pub`];
  await warden.stop();
  expect(await warden.cli(words, none)).toMatchObject(told);
  expect(await warden.cli(['route', 'show', 'ops-warden-warden-sign-token'])).toMatchObject({ code: 0 });
});
