/** A file system that does not answer can't be had without a network: node's own calls are kept waiting in its place. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { callerWords } from '../../../src/destination/caller-words.ts';
import { KnownHostsStore } from '../../../src/destination/known-hosts-store.ts';
import { readWithin } from '../../../src/destination/read-deadline.ts';
import { Workspace } from './workspace.ts';

const hanging = vi.hoisted(() => ({ paths: new Map<string, Promise<void>>() }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return {
    ...real,
    open: vi.fn(async (path: string, flags: number) => {
      await hanging.paths.get(path);
      return real.open(path, flags);
    }),
  };
});

const space = new Workspace();
afterAll(() => space.remove());

/** Opening the file waits until the returned function is called. */
function hang(path: string): () => void {
  let answer = (): void => undefined;
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  hanging.paths.set(path, answered);
  return () => {
    hanging.paths.delete(path);
    answer();
  };
}

function late(path: string) {
  return { code: 'limit_exceeded', message: expect.stringContaining(`${path} did not answer`) };
}

test('an answer in time, a failure in time, a deadline that is over already', async () => {
  expect(await readWithin('f', 10, () => Promise.resolve(7))).toBe(7);
  await expect(readWithin('f', 10, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await expect(readWithin('f', 0, () => Promise.resolve(7))).rejects.toMatchObject(late('f'));
});

test('known_hosts: the file is named, and not asked again until it has answered', async () => {
  const file = space.file('known_hosts', '');
  const store = new KnownHostsStore([space.file('quick', ''), file]);
  const answer = hang(file);
  await expect(store.look()).rejects.toMatchObject(late(file));
  const asked = vi.mocked(open).mock.calls.filter(([path]) => path === file).length;
  await expect(store.look()).rejects.toMatchObject(late(file));
  expect(vi.mocked(open).mock.calls.filter(([path]) => path === file)).toHaveLength(asked);
  answer();
  await vi.waitFor(async () => expect((await store.look()).warnings).toEqual([]));
});

test('the ssh configuration: one deadline for all its files', async () => {
  const slow = space.file('slow', '');
  const main = space.file('main', `Include ${slow}\n`);
  const context = {
    cwd: space.path,
    home: space.path,
    localUser: 'joe',
    systemConfig: join(space.path, 'x'),
  };
  const answer = hang(slow);
  await expect(callerWords(['ssh', '-F', main, 'web1'], context)).rejects.toMatchObject(late(slow));
  answer();
});
