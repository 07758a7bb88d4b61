import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import {
  environmentOf,
  MAX_ENVIRONMENT,
  type ProcessInfo,
  pathAsSeenBy,
  processInfo,
  sharesOurFiles,
} from '../../../src/system/peer.ts';
import { findProgram, until } from '../../support/process.ts';
import { tempDirectory } from '../../support/temp.ts';

const directory = tempDirectory();
const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
  directory.remove();
});

/** `sleep`, started by `env` with exactly these words. */
function sleeping(words: readonly string[], cwd = directory.path): Promise<ProcessInfo> {
  const child = spawn('/usr/bin/env', [...words, '/bin/sleep', '60'], { cwd, stdio: 'ignore' });
  ends.push(() => child.kill('SIGKILL'));
  return until('sleep runs', () => {
    const info = processInfo(child.pid ?? 0);
    return info?.argv[0] === '/bin/sleep' ? info : undefined;
  });
}

const NAMES = ['SSH_AUTH_SOCK', 'EMPTY', 'UNSET'];

test('the variables that were asked for, and no other', async () => {
  const info = await sleeping(['-i', 'NOT_SSH_AUTH_SOCK=no', 'SSH_AUTH_SOCK=/run/ä b', 'EMPTY=', 'SECRET=s']);
  expect([...(environmentOf(info, NAMES) ?? [])]).toEqual([
    ['SSH_AUTH_SOCK', '/run/ä b'],
    ['EMPTY', ''],
  ]);
});

test('an environment without any variable is one where none is set', async () => {
  expect(environmentOf(await sleeping(['-i']), NAMES)).toEqual(new Map());
});

test('undefined where it is too large to be read whole, or the process is another by now', async () => {
  const large = Array.from({ length: 3 }, (_, i) => `V${i}=${'x'.repeat(MAX_ENVIRONMENT / 3)}`);
  expect(environmentOf(await sleeping(['-i', ...large, 'SSH_AUTH_SOCK=/x']), NAMES)).toBeUndefined();
  const info = await sleeping(['-i', 'SSH_AUTH_SOCK=/x']);
  expect(environmentOf({ ...info, startTime: '1' }, NAMES)).toBeUndefined();
  expect(environmentOf({ ...info, pid: 2 ** 30 }, NAMES)).toBeUndefined();
});

test('paths as the process sees them', async (ctx) => {
  mkdirSync(directory.join('sub'));
  writeFileSync(directory.join('sub/file'), 'in sub');
  const info = await sleeping([], directory.join('sub'));
  expect(readFileSync(pathAsSeenBy(info, 'file'), 'utf8')).toBe('in sub');
  expect(readFileSync(pathAsSeenBy(info, directory.join('sub/file')), 'utf8')).toBe('in sub');
  expect(sharesOurFiles(info)).toBe(true);
  expect(sharesOurFiles({ pid: 2 ** 30 })).toBe(false);
  const unshare = findProgram('unshare');
  if (unshare === undefined || process.getuid?.() !== 0) ctx.skip('needs unshare and root');
  expect(sharesOurFiles(await sleeping([unshare ?? '', '--mount']))).toBe(false);
});
