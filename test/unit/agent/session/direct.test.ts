import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, linkSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { checkPeer, checkUser, checkWords } from '../../../../agent/session/direct.ts';
import { Register } from '../../../../agent/session/register.ts';
import type { Destination, ToldName } from '../../../../src/destination/destination.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { type ProcessInfo, processInfo } from '../../../../src/system/peer.ts';
import { until } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';
import { codeOf } from '../../ssh/code-of.ts';

const directory = tempDirectory();
afterAll(() => directory.remove());

const binding = { hostKey: Buffer.from('key'), sessionId: Buffer.from('one'), forwarded: false };
const second = { ...binding, sessionId: Buffer.from('two') };

test('the user: only our own ssh configuration can be followed', () => {
  const uid = process.getuid?.() ?? 0;
  const peer = (of: number) => ({ pid: process.pid, uid: of, gid: 0 });
  expect(codeOf(() => checkUser(peer(uid)))).toBe('accepted');
  expect(codeOf(() => checkUser(peer(uid + 1)))).toBe('not_direct');
});

describe('the program and its history', () => {
  const sleep = execFileSync('readlink', ['-f', '/bin/sleep'], { encoding: 'utf8' }).trim();
  const child = spawn(sleep, ['60']);
  afterAll(() => child.kill('SIGKILL'));
  const running = () =>
    until<ProcessInfo>('sleep runs', () => {
      const info = processInfo(child.pid ?? 0);
      return info?.program?.path === sleep ? info : undefined;
    });

  async function verdict(programs: readonly string[], parts: Partial<ProcessInfo> = {}) {
    const info = { ...(await running()), ...parts };
    return codeOf(() => checkPeer(info, binding, programs, new Register(systemClock)));
  }

  test('a program of the list, by any path to the same file', async () => {
    expect(await verdict(['/nowhere', sleep])).toBe('accepted');
    expect(await verdict([sleep], { program: undefined })).toBe('not_direct');
    expect(await verdict([])).toBe('not_direct');
    expect(await verdict(['/nowhere', process.execPath])).toBe('not_direct');
  });

  test('the same content in another file is another program; a hard link is the same', async () => {
    const copy = directory.join('copy');
    copyFileSync(sleep, copy);
    expect(await verdict([copy])).toBe('not_direct');
    const file = directory.join('linked');
    linkSync(copy, file);
    const linked = spawn(copy, ['60']);
    try {
      const info = await until('the copy runs', () => {
        const found = processInfo(linked.pid ?? 0);
        return found?.program?.path === copy ? found : undefined;
      });
      expect(codeOf(() => checkPeer(info, binding, [file], new Register(systemClock)))).toBe('accepted');
    } finally {
      linked.kill('SIGKILL');
    }
  });

  test('a second session of the process', async () => {
    const register = new Register(systemClock);
    const info = await running();
    const check = (each: typeof binding) => codeOf(() => checkPeer(info, each, [sleep], register));
    expect([check(binding), check(binding), check(second), check(binding)]).toEqual([
      'accepted',
      'accepted',
      'not_direct',
      'accepted',
    ]);
  });

  test('a session that a program outside the list has bound counts too', async () => {
    const register = new Register(systemClock);
    const info = await running();
    expect(codeOf(() => checkPeer(info, binding, [], register))).toBe('not_direct');
    expect(codeOf(() => checkPeer(info, second, [sleep], register))).toBe('not_direct');
  });
});

describe('the words', () => {
  const destination = (...names: readonly string[]): Destination => ({
    hostKey: binding.hostKey,
    fingerprint: 'SHA256:x',
    revoked: false,
    names: names.map((name) => ({ name, how: 'known_hosts', source: 'f:1' })),
  });
  const ported: readonly ToldName[] = [{ name: '[web1]:2222' }, { name: 'web1', fallbackOf: '[web1]:2222' }];

  interface Given {
    readonly told: readonly ToldName[];
    readonly candidates?: readonly string[];
    readonly proved: readonly string[];
    readonly known?: readonly string[];
  }
  function check({ told, proved, known = [], candidates = told.map(({ name }) => name) }: Given) {
    const knownHosts = { knows: (name: string) => known.includes(name) };
    return checkWords({ candidates, told, user: undefined, agents: [] }, destination(...proved), knownHosts);
  }

  test('a told name that is proved, and only those', () => {
    const told = [{ name: 'web1.example' }, { name: 'web1' }];
    expect(check({ told, proved: ['web1', 'db1'] })).toEqual(['web1']);
    expect(check({ told, proved: ['web1', 'web1.example'] })).toEqual(['web1.example', 'web1']);
    expect(codeOf(() => check({ told, proved: ['db1'] }))).toBe('not_direct');
    expect(() => check({ told, proved: ['db1'] })).toThrow(
      'it was told web1.example, but its host key belongs to db1',
    );
  });

  test('no words, and no names', () => {
    expect(() => check({ told: [], proved: ['db1'] })).toThrow('it was told no host');
    expect(() => check({ told: ported, proved: [] })).toThrow('has no proved name');
  });

  test('the plain name stands in where the one with the port is known under no key', () => {
    expect(check({ told: ported, proved: ['web1'] })).toEqual(['web1']);
  });

  test("it does not where the port has a key of its own: web1's key would serve who answers on the port", () => {
    const given = { told: ported, proved: ['web1'], known: ['[web1]:2222'] };
    expect(codeOf(() => check(given))).toBe('not_direct');
  });

  test('nor beside the name with the port, where the key has both', () => {
    expect(check({ told: ported, proved: ['web1', '[web1]:2222'] })).toEqual(['[web1]:2222']);
  });

  test('the name with a port never stands for the plain one', () => {
    expect(codeOf(() => check({ told: [{ name: 'web1' }], proved: ['[web1]:2222'] }))).toBe('not_direct');
  });

  test('a configuration that leaves the host open names none', () => {
    expect(() => check({ told: [], candidates: ['in.example', 'web1'], proved: ['web1'] })).toThrow(
      'leaves open',
    );
  });
});
