import { spawn } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkAgent } from '../../../../agent/session/own-agent.ts';
import { asWardenError } from '../../../../src/errors.ts';
import { type ProcessInfo, processInfo } from '../../../../src/system/peer.ts';
import { findProgram, until } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';

const directory = tempDirectory();
const socket = directory.socket('agent.sock');
const otherSocket = directory.socket('other.sock');
const servers: Server[] = [];
const ends: (() => void)[] = [];

beforeAll(async () => {
  for (const path of [socket, otherSocket]) {
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(path, resolve));
  }
  symlinkSync(socket, directory.join('stable'));
  symlinkSync(directory.join('stable'), directory.join('link to link'));
  symlinkSync(directory.join('nowhere'), directory.join('dangling'));
  mkdirSync(directory.join('x'.repeat(120)));
  symlinkSync(socket, directory.join('x'.repeat(120), 'long'));
});
afterAll(() => {
  for (const end of ends) end();
  for (const server of servers) server.close();
  directory.remove();
});

/** A process with this SSH_AUTH_SOCK; which program it runs does not matter here. */
function sleeping(auth: string | undefined, before: readonly string[] = []): Promise<ProcessInfo> {
  const words = [
    '-i',
    ...(auth === undefined ? [] : [`SSH_AUTH_SOCK=${auth}`]),
    ...before,
    '/bin/sleep',
    '60',
  ];
  const child = spawn('/usr/bin/env', words, { cwd: directory.path, stdio: 'ignore' });
  ends.push(() => child.kill('SIGKILL'));
  return until('sleep runs', () => {
    const info = processInfo(child.pid ?? 0);
    return info?.argv[0] === '/bin/sleep' ? info : undefined;
  });
}

/** `accepted`, or the refusal. */
async function verdict(info: ProcessInfo, agents: readonly string[], ours = socket): Promise<string> {
  try {
    await checkAgent(info, { agents }, ours);
    return 'accepted';
  } catch (thrown) {
    const error = asWardenError(thrown);
    return `${error.code}: ${error.message}`;
  }
}
const ENVIRONMENT = ['SSH_AUTH_SOCK'];

test('our socket by any path: itself, links, relative to where ssh runs', async () => {
  for (const path of [
    socket,
    directory.join('stable'),
    directory.join('link to link'),
    'stable',
    './agent.sock',
  ]) {
    expect(await verdict(await sleeping(path), ENVIRONMENT)).toBe('accepted');
    expect(await verdict(await sleeping(otherSocket), [path])).toBe('accepted');
  }
  expect(
    await verdict(await sleeping(directory.join('stable')), ENVIRONMENT, directory.join('link to link')),
  ).toBe('accepted');
});

test('another socket, none, one that is not there, and a path that is too long for one', async () => {
  const long = directory.join('x'.repeat(120), 'long');
  for (const path of [otherSocket, directory.join('dangling'), '/nowhere', `${socket}/below`]) {
    expect(await verdict(await sleeping(path), ENVIRONMENT)).toMatch(
      `not_direct: the login may be somebody else's`,
    );
    expect(await verdict(await sleeping(socket), [path])).toMatch(`its ssh uses another agent: ${path}`);
  }
  expect(await verdict(await sleeping(long), ENVIRONMENT)).toMatch('uses another agent');
  for (const path of ['', undefined]) {
    expect(await verdict(await sleeping(path), ENVIRONMENT)).toMatch('uses no agent');
  }
  expect(await verdict(await sleeping(socket), ['none'])).toMatch('uses no agent');
});

test('of several values one that may be ours is enough; none is not', async () => {
  const info = await sleeping(socket);
  expect(await verdict(info, [otherSocket, 'SSH_AUTH_SOCK'])).toBe('accepted');
  expect(await verdict(info, [otherSocket, 'none'])).toMatch('not_direct');
});

test('undecided: no value known, an environment that is another process now, our own socket gone', async () => {
  const info = await sleeping(otherSocket);
  expect(await verdict(info, [])).toBe('accepted');
  expect(await verdict({ ...info, startTime: '1' }, ENVIRONMENT)).toBe('accepted');
  expect(await verdict({ ...info, startTime: '1' }, ['none'])).toMatch('not_direct');
  expect(await verdict(info, ENVIRONMENT, '/nowhere')).toBe('accepted');
});

test('with mounts of its own: another file here may be ours there', async (ctx) => {
  const unshare = findProgram('unshare');
  if (unshare === undefined || process.getuid?.() !== 0) ctx.skip('needs unshare and root');
  const inside = await sleeping(otherSocket, [unshare ?? '', '--mount']);
  expect(await verdict(inside, ENVIRONMENT)).toBe('accepted');
  expect(await verdict(inside, ['none'])).toMatch('uses no agent');
});

test('the socket of a daemon that was started again at the same path', async () => {
  const info = await sleeping(socket);
  renameSync(otherSocket, socket);
  expect(await verdict(info, ENVIRONMENT)).toBe('accepted');
});
