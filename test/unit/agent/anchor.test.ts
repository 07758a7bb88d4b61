import { expect, test } from 'vitest';
import { createAnchor } from '../../../agent/anchor.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

test('a command that fails, or is not there, is said until one arrives; none is no failure', async () => {
  let command: readonly string[] = ['/bin/false'];
  const anchor = createAnchor(() => command, { PATH: process.env['PATH'] }, silent);
  expect(anchor.failure()).toBeUndefined();
  await anchor.send('note');
  expect(anchor.failure()).toContain('anchor_command failed (exit 1)');
  command = ['/nonexistent/program'];
  await anchor.send('note');
  expect(anchor.failure()).toContain('(ENOENT)');
  command = ['/bin/sh', '-c', 'test "$(cat)" = note'];
  await anchor.send('note');
  expect(anchor.failure()).toBeUndefined();
  command = ['/bin/sh', '-c', 'exec sleep 30'];
  await anchor.send('note');
  expect(anchor.failure()).toContain('(ETIMEDOUT)');
});
