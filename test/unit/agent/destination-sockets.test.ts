/** Destination sockets: which are there from the start, how many there can be, and what can't be opened. */
import { existsSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DestinationSockets, MAX_AT_START, MAX_SOCKETS } from '../../../agent/destination-sockets.ts';
import type { SocketScope } from '../../../agent/session/socket-scope.ts';
import type { Lane } from '../../../src/catalog/lane.ts';
import { parsePattern } from '../../../src/catalog/pattern.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';
import { LANE } from './identities.ts';

let directory: TempDirectory;
let sockets: DestinationSockets;
let warnings: string[];
/** What the sockets that were connected to are for. */
let served: SocketScope[];
beforeEach(() => {
  directory = tempDirectory();
  warnings = [];
  served = [];
  const warn = (_about: unknown, message?: string) => void warnings.push(message ?? '');
  const log = { info: () => undefined, error: () => undefined, warn };
  const serve = (scope: SocketScope) => (socket: { destroy(): unknown }) => {
    served.push(scope);
    socket.destroy();
  };
  sockets = new DestinationSockets(directory.socket('agent.sock'), serve, log);
});
afterEach(() => {
  sockets.close();
  sockets.end();
  directory.remove();
});

function lane(id: string, hosts: readonly string[], overrides: Partial<Lane> = {}): Lane {
  const patterns = hosts.map((text) => {
    const pattern = parsePattern(text);
    if ('wrong' in pattern) throw new Error(pattern.wrong);
    return pattern;
  });
  return { ...LANE, id, hosts: patterns, ...overrides };
}

const numbered = (count: number, of: string) => Array.from({ length: count }, (_, n) => `${of}${n}`);
const names = () => sockets.paths.map((path) => path.slice(directory.path.length + 1));

describe('from the start', () => {
  test('lanes with unbound: allow have theirs, for each exact host and login name; others none', async () => {
    const lanes = [
      lane('legacy', ['web1', '[web2]:2222', '*.example']),
      lane('bound', ['db1'], { unbound: false }),
      lane('any', [], { logins: ['*'] }),
    ];
    await sockets.openUsual(lanes);
    expect(names()).toEqual([
      'lane/legacy.sock',
      'lane/legacy/ops.sock',
      'lane/any.sock',
      'to/web1.sock',
      'to/web1/ops.sock',
      'to/[web2]:2222.sock',
      'to/[web2]:2222/ops.sock',
    ]);
    expect(warnings).toEqual([]);
  });

  test('so many and no more; what comes later opens when asked for', async () => {
    const lanes = [lane('legacy', numbered(MAX_AT_START, 'web'), { logins: ['*'] })];
    await sockets.openUsual(lanes);
    expect(sockets.paths).toHaveLength(MAX_AT_START);
    expect(warnings).toEqual([expect.stringContaining('opened when asked for')]);
    const last = `web${MAX_AT_START - 1}`;
    expect(existsSync(await sockets.open({ host: last }, lanes))).toBe(true);
  });

  test('one that can not be opened keeps none of the others away', async () => {
    mkdirSync(directory.join('to/web1.sock'), { recursive: true, mode: 0o700 });
    await sockets.openUsual([lane('legacy', ['web1', 'web2'], { logins: ['*'] })]);
    expect(names()).toEqual(['lane/legacy.sock', 'to/web2.sock']);
    // A host's directory that was there before, by its name; no lane has such a host.
    expect(warnings).toEqual([
      expect.stringContaining('is no socket'),
      expect.stringContaining('no lane covers web1.sock'),
    ]);
  });
});

describe('asked for', () => {
  test('the same path again, and each says what it is for', async () => {
    const lanes = [lane('web', ['*.example'], { unbound: false })];
    const [one, two] = await Promise.all([
      sockets.open({ host: 'Web1.Example' }, lanes),
      sockets.open({ host: 'web1.example', login: 'ops' }, lanes),
    ]);
    expect(await sockets.open({ host: 'web1.example' }, lanes)).toBe(one);
    for (const path of [one, two])
      await new Promise((resolve) => connect(path).once('close', resolve).resume());
    expect(served).toEqual([
      { path: one, host: 'web1.example' },
      { path: two, host: 'web1.example', login: 'ops' },
    ]);
  });

  test('no more than MAX_SOCKETS', async () => {
    const logins = numbered(MAX_SOCKETS - 1, 'u');
    const lanes = [lane('many', ['web1', 'web2'], { logins })];
    await sockets.open({ host: 'web1' }, lanes);
    expect(sockets.paths).toHaveLength(MAX_SOCKETS);
    await expect(sockets.open({ host: 'web2' }, lanes)).rejects.toMatchObject({ code: 'limit_exceeded' });
    // What is open is still to be had.
    expect(await sockets.open({ host: 'web1', login: 'u7' }, lanes)).toContain('/u7.sock');
  });

  test("a login name that is too long for a path takes nothing from the host's own socket", async () => {
    const long = 'x'.repeat(90);
    const lanes = [lane('web', ['web1'], { logins: ['ops', long, 'deploy'] })];
    expect(await sockets.open({ host: 'web1' }, lanes)).toMatch(/\/to\/web1\.sock$/);
    expect(names()).toEqual(['to/web1.sock', 'to/web1/ops.sock', 'to/web1/deploy.sock']);
    await expect(sockets.open({ host: 'web1', login: long }, lanes)).rejects.toMatchObject({
      code: 'socket_path',
    });
  });

  test('nothing opens after the end', async () => {
    const lanes = [lane('web', ['web1', 'web2'])];
    const path = await sockets.open({ host: 'web1' }, lanes);
    const opening = sockets.open({ host: 'web2' }, lanes);
    sockets.close();
    await expect(opening).rejects.toMatchObject({ code: 'not_running' });
    expect([existsSync(path), existsSync(directory.join('to/web2.sock'))]).toEqual([false, false]);
  });
});
