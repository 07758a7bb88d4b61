import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import type { HostPattern, Lane } from '../../../src/catalog/lane.ts';
import { KnownHostsStore } from '../../../src/destination/known-hosts-store.ts';
import { MAX_TESTED, resolveDestination } from '../../../src/destination/names.ts';
import { fingerprint } from '../../../src/ssh/public-key.ts';
import { Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const host = space.key('host');
const ca = space.key('ca');
const stranger = space.key('stranger');

const NOW = Math.floor(Date.now() / 1000);

function exact(name: string, port?: number): HostPattern {
  return { kind: 'exact', text: name, host: name, port };
}

function lane(id: string, parts: Partial<Lane>): Lane {
  const actor = {
    name: 'adm-x',
    type: 'adm',
    principals: ['x'],
    ttlSeconds: 60,
    description: '',
    files: false,
  } as const;
  return {
    id,
    title: id,
    source: 'test:1',
    hosts: [],
    hostKeys: [],
    hostCa: [],
    actor,
    logins: ['root'],
    principals: ['x'],
    ttlSeconds: 60,
    role: 'r',
    extensions: undefined,
    criticalOptions: {},
    upstream: 'hide',
    forwarded: [],
    unbound: false,
    reuseMs: 0,
    gateAt: 'list',
    deadlineMs: 3000,
    waitForLoginMs: 0,
    ...parts,
  };
}

interface Given {
  readonly key?: Buffer;
  readonly lines?: readonly string[];
  readonly lanes?: readonly Lane[];
  readonly candidates?: readonly string[];
  readonly now?: number;
}

async function resolve({ key = host.blob, lines = [], lanes = [], candidates = [], now = NOW }: Given) {
  const file = space.file('known_hosts', lines.map((line) => `${line}\n`).join(''));
  const knownHosts = await new KnownHostsStore([file]).look();
  return resolveDestination(key, { knownHosts, lanes, candidates, nowSeconds: now });
}

async function names(given: Given): Promise<string[]> {
  return (await resolve(given)).names.map(({ name }) => name);
}

function hashed(name: string, keyLine: string): string {
  const file = space.file('to-hash', `${name} ${keyLine}\n`);
  execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
  return execFileSync('head', ['-n1', file], { encoding: 'utf8' }).trim();
}

describe('known_hosts', () => {
  test('plain names are read back with their line, each once', async () => {
    const destination = await resolve({ lines: [`web1,10.0.0.7 ${host.line}`, '', `Web1 ${host.line}`] });
    expect(destination.fingerprint).toBe(fingerprint(host.blob));
    const source = `${space.path}/known_hosts:1`;
    expect(destination.names).toEqual([
      { name: 'web1', how: 'known_hosts', source },
      { name: '10.0.0.7', how: 'known_hosts', source },
    ]);
  });

  test('an unknown key has no names, whatever the candidates say', async () => {
    const lines = [`web1 ${stranger.line}`, `* ${stranger.line}`];
    expect(
      await names({ lines, candidates: ['web1'], lanes: [lane('a', { hosts: [exact('web1')] })] }),
    ).toEqual([]);
  });

  test('hashed and pattern lines prove candidates only', async () => {
    const lines = [hashed('web1', host.line), `*.example.com,!bad.example.com ${host.line}`];
    expect(await names({ lines })).toEqual([]);
    const candidates = ['WEB1', 'web2', 'a.example.com', 'bad.example.com'];
    expect(await names({ lines, candidates })).toEqual(['web1', 'a.example.com']);
  });

  test('exact hosts of the lanes are candidates, with their port and, as ssh falls back, without', async () => {
    const lanes = [lane('a', { hosts: [exact('web1', 2222), exact('web2')] })];
    const lines = [hashed('[web1]:2222', host.line), hashed('web2', host.line), hashed('web1', host.line)];
    expect(await names({ lines, lanes })).toEqual(['[web1]:2222', 'web1', 'web2']);
    expect(await names({ lines: [hashed('[web2]:2222', host.line)], lanes })).toEqual([]);
  });

  test('a @cert-authority line says nothing of a plain key', async () => {
    expect(await names({ lines: [`@cert-authority web1 ${host.line}`] })).toEqual([]);
  });
});

test('testing ends at its limit; the first candidates are the ones that were tested', async () => {
  const field = `*,${'x'.repeat(10_000)}`;
  const candidates = Array.from({ length: 1000 }, (_, i) => `web${i}`);
  const proved = await names({ lines: [`${field} ${host.line}`], candidates });
  // What can be read on the line needs no candidate, and 10,000 characters are no name.
  expect(proved).toEqual(candidates.slice(0, Math.floor(MAX_TESTED / field.length)));
});

describe('revoked', () => {
  test.each(['web1', 'somewhere-else', '*'])('a @revoked line for %s takes every name', async (field) => {
    const lanes = [lane('a', { hosts: [exact('web1')], hostKeys: [fingerprint(host.blob)] })];
    const destination = await resolve({
      lines: [`web1 ${host.line}`, `@revoked ${field} ${host.line}`],
      lanes,
    });
    expect(destination).toMatchObject({ revoked: true, names: [] });
  });

  test('the CA of a certificate, and the key under one', async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1']);
    const lines = [`@cert-authority * ${ca.line}`];
    expect(await names({ key, lines })).toEqual(['web1']);
    expect(await resolve({ key, lines: [...lines, `@revoked * ${ca.line}`] })).toMatchObject({
      revoked: true,
    });
    expect(await resolve({ key, lines: [...lines, `@revoked * ${host.line}`] })).toMatchObject({
      revoked: true,
    });
    const whole = `ssh-ed25519-cert-v01@openssh.com ${key.toString('base64')}`;
    expect(await resolve({ key, lines: [...lines, `@revoked * ${whole}`] })).toMatchObject({ revoked: true });
    expect(await resolve({ lines: [`web1 ${host.line}`, `@revoked * ${whole}`] })).toMatchObject({
      revoked: true,
    });
  });
});

describe('host certificates', () => {
  const authority = (field: string) => [`@cert-authority ${field} ${ca.line}`];

  test('literal principals where the CA line covers them', async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1,web1.example.com,10.0.0.7']);
    const destination = await resolve({ key, lines: authority('*.example.com,10.*') });
    expect(destination.fingerprint).toBe(fingerprint(host.blob));
    const source = `${space.path}/known_hosts:1`;
    expect(destination.names).toEqual([
      { name: 'web1.example.com', how: 'host_certificate', source },
      { name: '10.0.0.7', how: 'host_certificate', source },
    ]);
  });

  test('the line is matched with the port, the principal without', async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1']);
    const candidates = ['[web1]:2222', '[web2]:2222'];
    expect(await names({ key, lines: authority('[*]:2222'), candidates })).toEqual(['[web1]:2222']);
    expect(await names({ key, lines: authority('*'), candidates })).toEqual(['[web1]:2222', 'web1']);
    expect(await names({ key, lines: authority('[web1]:2222') })).toEqual(['[web1]:2222']);
    expect(await names({ key, lines: authority('web2') })).toEqual([]);
  });

  test.each([
    ['no principals', ['-h']],
    ['a wildcard', ['-h', '-n', '*,web?']],
    ['capitals, which ssh compares as they are', ['-h', '-n', 'WEB1']],
    ['a user certificate', ['-n', 'web1']],
    ['a critical option', ['-h', '-n', 'web1', '-O', 'critical:x@example.com=1']],
  ])('%s proves nothing', async (_, options) => {
    const key = space.certificate(ca, host, options);
    expect(await names({ key, lines: authority('*'), candidates: ['web1', 'WEB1'] })).toEqual([]);
  });

  test('validity is by the given clock: from its first second to before its last', async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1', '-V', '20300101000000Z:20300102000000Z']);
    const start = Date.UTC(2030, 0, 1) / 1000;
    const at = (now: number) => names({ key, lines: authority('*'), now });
    expect(await at(start - 1)).toEqual([]);
    expect(await at(start)).toEqual(['web1']);
    expect(await at(start + 86_399)).toEqual(['web1']);
    expect(await at(start + 86_400)).toEqual([]);
  });

  test('another CA, or a certificate that was changed', async () => {
    const key = space.certificate(stranger, host, ['-h', '-n', 'web1']);
    expect(await names({ key, lines: authority('*') })).toEqual([]);
    const genuine = space.certificate(ca, host, ['-h', '-n', 'web1']);
    const forged = Buffer.from(genuine);
    forged.write('web9', forged.indexOf('web1'), 'latin1');
    expect(await names({ key: forged, lines: authority('*') })).toEqual([]);
  });

  test("a certificate that proves nothing leaves the plain key's lines", async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1', '-V', '20200101:20200102']);
    expect(await names({ key, lines: [...authority('*'), `web7 ${host.line}`] })).toEqual(['web7']);
  });

  test("a lane's host_ca proves the literal principals, for that lane", async () => {
    const key = space.certificate(ca, host, ['-h', '-n', 'web1,*.example.com']);
    const lanes = [
      lane('mine', { hostCa: [fingerprint(ca.blob)], hosts: [exact('web1', 2222)] }),
      lane('other', { hostCa: [fingerprint(stranger.blob)], hosts: [exact('web1')] }),
    ];
    const proof = { how: 'host_certificate', source: 'mine', lane: 'mine' };
    expect((await resolve({ key, lanes })).names).toEqual([
      { name: '[web1]:2222', ...proof },
      { name: 'web1', ...proof },
    ]);
  });
});

describe('pins', () => {
  const pin = fingerprint(host.blob);

  test("prove the lane's exact hosts, for that lane", async () => {
    const glob: HostPattern = { kind: 'glob', text: 'db*', host: 'db*', literals: 2, port: undefined };
    const lanes = [
      lane('a', { hosts: [exact('Web1'), exact('web2', 2222), glob], hostKeys: [pin] }),
      lane('b', { hosts: [exact('web3')] }),
    ];
    const proof = { how: 'host_key_pin', source: 'a', lane: 'a' };
    expect((await resolve({ lanes })).names).toEqual([
      { name: 'web1', ...proof },
      { name: '[web2]:2222', ...proof },
    ]);
  });

  test('a general proof of the same name stands alone; two lanes each have their own', async () => {
    const lanes = ['a', 'b'].map((id) =>
      lane(id, { hosts: [exact('web1'), exact('web2')], hostKeys: [pin] }),
    );
    const destination = await resolve({ lanes, lines: [`web1 ${host.line}`] });
    expect(destination.names.map(({ name, lane: of }) => [name, of])).toEqual([
      ['web1', undefined],
      ['web2', 'a'],
      ['web2', 'b'],
    ]);
  });
});

test('what is no key is an error, not a name', async () => {
  await expect(resolve({ key: Buffer.from('nonsense') })).rejects.toMatchObject({ code: 'malformed' });
});
