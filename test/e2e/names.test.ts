/** Under which names a host is known, and who says so: known_hosts in all its forms, host certificates, ssh_config, a lane's own pins. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import type { KeyType } from '../support/keys.ts';
import { hostName, knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { useRig } from '../support/rig.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

/** The daemon reads known_hosts anew at every login: each test writes its own into the rig's file. */
describe('a host is known', () => {
  const rig = useRig({
    lanes: ({ bao, sshd }) => ({
      example: { hosts: ['*.example.com'], logins: [sshd.user], role: bao.role },
    }),
  });
  const publicKey = () => rig().sshd.hostKeys[0]?.publicKey ?? '';
  const known = (lines: readonly string[], hashed = false) =>
    writeKnownHosts(rig().directory, lines, { hashed });
  const config = (text: string) => rig().directory.write('ssh_config', text);
  const lastHost = () =>
    rig()
      .warden.trail()
      .findLast(({ phase }) => phase === 'result')?.host;
  const alias = (name: string) => ({ options: ['HostName=127.0.0.1', `HostKeyAlias=${name}`], host: name });

  test('by a hashed line, found by the lane', async () => {
    await known(rig().sshd.knownHosts(), true);
    expect(readFileSync(rig().knownHosts, 'utf8')).not.toContain('127.0.0.1');
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login()).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe(hostName('127.0.0.1', rig().sshd.port));
  });

  test('by a hashed line that only the words of the caller can guess', async () => {
    await known([knownHostsLine(['web1.example.com'], publicKey())], true);
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login(alias('web1.example.com'))).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe('web1.example.com');
  });

  test('by a pattern, but not by the name that the pattern excludes', async () => {
    await known([knownHostsLine(['*.example.com', '!bad.example.com'], publicKey())]);
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login(alias('web2.example.com'))).toMatchObject({ code: 0 });
    expect((await rig().login(alias('bad.example.com'))).code).toBe(255);
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe('web2.example.com');
  });

  test('by the line that accept-new writes in the same login', async () => {
    await known([]);
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login({ options: ['StrictHostKeyChecking=accept-new'] })).toMatchObject({ code: 0 });
    expect(readFileSync(rig().knownHosts, 'utf8')).toContain(`[127.0.0.1]:${rig().sshd.port}`);
    expect(await rig().login({ options: ['StrictHostKeyChecking=yes'] })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(2);
  });

  test('by the line that accept-new writes hashed', async () => {
    await known([]);
    const seen = watch(rig().warden, rig().sshd);
    const options = ['StrictHostKeyChecking=accept-new', 'HashKnownHosts=yes', 'HostName=127.0.0.1'];
    const host = 'new.example.com';
    expect(await rig().login({ options: [...options, `HostKeyAlias=${host}`], host })).toMatchObject({
      code: 0,
    });
    expect(readFileSync(rig().knownHosts, 'utf8')).toMatch(/^\|1\|/);
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe('new.example.com');
  });

  test('under an alias of ssh_config', async () => {
    await known(rig().sshd.knownHosts());
    const file = config(`Host web\n HostName 127.0.0.1\n Port ${rig().sshd.port}\n`);
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login({ config: file, host: 'web' })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
  });

  test('under the HostKeyAlias of an included file, with a token in HostName', async () => {
    await known([knownHostsLine(['db.example.com'], publicKey())], true);
    const included = rig().directory.write('included', 'Host 1\n HostKeyAlias db.example.com\n');
    const file = config(`Include ${included}\nHost *\n HostName 127.0.0.%h\n Port ${rig().sshd.port}\n`);
    const seen = watch(rig().warden, rig().sshd);
    expect(await rig().login({ config: file, host: '1' })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(lastHost()).toBe('db.example.com');
  });

  test('revoked: ssh goes no further, and nothing is minted', async () => {
    await known([...rig().sshd.knownHosts(), knownHostsLine(['*'], publicKey(), '@revoked')]);
    const seen = watch(rig().warden, rig().sshd);
    expect((await rig().login()).code).toBe(255);
    expect(seen.records().filter(({ phase }) => phase !== 'single')).toEqual([]);
  });
});

describe('a host key with names in two lanes', () => {
  const rig = useRig({
    lanes: ({ bao, sshd }) => {
      const lane = { logins: [sshd.user], role: bao.role };
      return { front: { ...lane, hosts: ['web1'] }, back: { ...lane, hosts: ['db1', '10.20.0.0/16'] } };
    },
  });
  beforeEach(async () => {
    const { sshd, directory } = rig();
    const names = ['web1', 'db1', '10.20.0.7', 'spare'];
    const lines = sshd.hostKeys.map((key) => knownHostsLine(names, key.publicKey));
    await writeKnownHosts(directory, lines);
  });
  const login = (name: string) =>
    rig().login({ host: name, options: ['HostName=127.0.0.1', `HostKeyAlias=${name}`] });

  test.each([
    ['web1', 'front'],
    ['db1', 'back'],
    ['10.20.0.7', 'back'],
  ])('ssh %s takes the lane %s', async (name, lane) => {
    const seen = watch(rig().warden, rig().sshd);
    expect(await login(name)).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(seen.records().find(({ phase }) => phase === 'result')).toMatchObject({ lane, host: name });
  });

  test('a name that is in neither decides nothing: no certificate, and why says so', async () => {
    const { warden, sshd } = rig();
    const seen = watch(warden, sshd);
    const before = sshd.logins().length;
    expect((await login('spare')).code).toBe(255);
    expect(sshd.logins()).toHaveLength(before);
    expect(seen.records()).toMatchObject([{ event: 'agent.bind_refused', error_code: 'ambiguous_host_key' }]);
    const why = await warden.cli(['why', 'spare']);
    expect(why).toMatchObject({ code: 0, stderr: '' });
    expect(why.stdout).toContain('the host key leads to different lanes');
    expect(why.stdout).toContain('web1 → front');
    expect(why.stdout).toContain('→ ssh to one of these names, or put them into one lane');
  });
});

describe('a server with keys of every type', () => {
  const types = ['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const satisfies readonly KeyType[];
  const rig = useRig({ sshd: { hostKeys: types } });

  test.each([
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-256',
    'rsa-sha2-512',
  ])('logs in over %s', async (algorithm) => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    expect(await login({ options: [`HostKeyAlgorithms=${algorithm}`] })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
  });
});

describe('a host with a certificate', () => {
  const HOST = 'web1.example.com';
  const rig = useRig({
    sshd: { hostKeys: ['ed25519', 'ecdsa256', 'rsa'], hostCertificate: { principals: [HOST, 'web1'] } },
    lanes: ({ bao, sshd }) => ({
      example: { hosts: ['*.example.com'], logins: [sshd.user], role: bao.role },
    }),
  });
  let blind: Warden;
  let sshHosts: string;

  beforeAll(async () => {
    const { bao, sshd, directory } = rig();
    const ca = sshd.hostCa?.publicKey ?? '';
    const line = knownHostsLine(['*.example.com'], ca, '@cert-authority');
    await writeKnownHosts(directory, [line]);
    sshHosts = await writeKnownHosts(directory, [line, ...sshd.knownHosts()], { name: 'ssh_hosts' });
    const lane = { logins: [sshd.user], role: bao.role };
    const print = (index: number) =>
      fingerprint(parsePublicKeyLine(sshd.hostKeys[index]?.publicKey ?? '').blob);
    // A daemon whose known_hosts knows nothing: its lanes say whom they trust.
    blind = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      principals: [sshd.user],
      knownHosts: [],
      lanes: {
        certified: { ...lane, hosts: ['*.example.com'], host_ca: [fingerprint(parsePublicKeyLine(ca).blob)] },
        pinned: {
          ...lane,
          hosts: [hostName('127.0.0.1', sshd.port)],
          host_keys: [print(2)],
        },
        nameless: { ...lane, host_keys: [print(1)] },
      },
    });
  });
  afterAll(async () => {
    await blind?.remove();
  });
  const named = { host: HOST, options: ['HostName=127.0.0.1', `HostKeyAlias=${HOST}`] };

  test.each(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512'])(
    'is known by @cert-authority: %s',
    async (algorithm) => {
      const { login, sshd, warden } = rig();
      const seen = watch(warden, sshd);
      const certified = `HostKeyAlgorithms=${algorithm}-cert-v01@openssh.com`;
      expect(await login({ ...named, options: [...named.options, certified] })).toMatchObject({ code: 0 });
      await seen.certifiedLogins(1);
      const result = seen.records().find(({ phase }) => phase === 'result');
      expect(result).toMatchObject({
        host: HOST,
        source: expect.stringMatching(/^host_certificate .*known_hosts:1$/),
      });
    },
  );

  test('is known by the CA that a lane trusts', async () => {
    const { login, sshd } = rig();
    const seen = watch(blind, sshd);
    expect(await login({ ...named, agent: blind.socket, knownHosts: sshHosts })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    const result = seen.records().find(({ phase }) => phase === 'result');
    expect(result).toMatchObject({ lane: 'certified', host: HOST, source: 'host_certificate certified' });
  });

  const plain = (algorithm: string) =>
    rig().login({ agent: blind.socket, knownHosts: sshHosts, options: [`HostKeyAlgorithms=${algorithm}`] });

  test('is known by the key that a lane pins for its hosts', async () => {
    const seen = watch(blind, rig().sshd);
    expect(await plain('rsa-sha2-512')).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    const result = seen.records().find(({ phase }) => phase === 'result');
    expect(result).toMatchObject({ lane: 'pinned', source: 'host_key_pin pinned' });
  });

  test('is not known by a key that a lane pins for no host: nothing proves that the caller means it', async () => {
    const seen = watch(blind, rig().sshd);
    expect(await plain('ecdsa-sha2-nistp256')).toMatchObject({ code: 255 });
    expect(seen.records()).toMatchObject([{ event: 'agent.bind_refused', error_code: 'not_direct' }]);
    expect((await blind.cli(['why', '127.0.0.1'])).stdout).toContain('→ put the host into known_hosts');
  });

  test('is not known to a lane by what only another lane trusts', async () => {
    const { login, sshd } = rig();
    const seen = watch(blind, sshd);
    // The key is the pinned lane's, the name is proved by the CA of the other.
    const options = [...named.options, 'HostKeyAlgorithms=rsa-sha2-512-cert-v01@openssh.com'];
    const attempt = await login({ ...named, options, agent: blind.socket, knownHosts: sshHosts });
    expect(attempt.code).toBe(255);
    expect(seen.records()).toMatchObject([
      { event: 'agent.bind_refused', error_code: 'not_direct', lane: 'pinned' },
    ]);
  });

  test('is not covered by the name that a CA lends to the key of another host', async () => {
    const { bao, login, sshd } = rig();
    // The lane covers the key under its plain name; the caller goes to the name that only the certificate has.
    const lent = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      principals: [sshd.user],
      knownHosts: [sshHosts],
      lanes: { web: { hosts: [hostName('127.0.0.1', sshd.port)], logins: [sshd.user], role: bao.role } },
    });
    try {
      const seen = watch(lent, sshd);
      const options = [...named.options, 'HostKeyAlgorithms=ssh-ed25519-cert-v01@openssh.com'];
      expect((await login({ ...named, options, agent: lent.socket, knownHosts: sshHosts })).code).toBe(255);
      expect(seen.records()).toMatchObject([
        { event: 'agent.bind_refused', error_code: 'not_direct', lane: 'web' },
      ]);
      expect(await login({ agent: lent.socket, knownHosts: sshHosts })).toMatchObject({ code: 0 });
    } finally {
      await lent.remove();
    }
  });
});
