import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  KnownHostsStore,
  type KnownHostsView,
  MAX_FILE_BYTES,
} from '../../../src/destination/known-hosts-store.ts';
import { Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const key = space.key('host');

function hosts(view: KnownHostsView): string[] {
  return view.linesOf(key.blob).map((line) => line.hosts);
}

test('a file that appears, grows, is replaced and vanishes between two looks', async () => {
  const file = join(space.path, 'changing');
  const store = new KnownHostsStore([file]);
  expect(hosts(await store.look())).toEqual([]);
  space.file('changing', `web1 ${key.line}\n`);
  expect(hosts(await store.look())).toEqual(['web1']);
  appendFileSync(file, `web2 ${key.line}\n`);
  expect(hosts(await store.look())).toEqual(['web1', 'web2']);
  renameSync(space.file('new', `web3 ${key.line}\nweb4 ${key.line}\n`), file);
  expect(hosts(await store.look())).toEqual(['web3', 'web4']);
  rmSync(file);
  expect(await store.look()).toMatchObject({ warnings: [] });
  expect(hosts(await store.look())).toEqual([]);
});

test('a change that keeps size and modification time is seen', async () => {
  const file = space.file('same', `web1 ${key.line}\n`);
  utimesSync(file, 1, 1);
  const store = new KnownHostsStore([file]);
  expect(hosts(await store.look())).toEqual(['web1']);
  execFileSync('sleep', ['0.02']); // the kernel's clock for files ticks every few milliseconds
  space.file('same', `web2 ${key.line}\n`);
  utimesSync(file, 1, 1);
  expect(hosts(await store.look())).toEqual(['web2']);
});

test('several files, in their order', async () => {
  const files = ['a', 'b'].map((name) => space.file(name, `${name} ${key.line}\n`));
  const store = new KnownHostsStore([
    ...files,
    join(space.path, 'missing'),
    join(files[0] ?? '', 'below-a-file'),
  ]);
  const view = await store.look();
  expect(hosts(view)).toEqual(['a', 'b']);
  expect(view.warnings).toEqual([]);
});

describe('a look by name, whatever the key', () => {
  const knows = async (content: string, ...names: readonly string[]) => {
    const view = await new KnownHostsStore([space.file('by-name', content)]).look();
    return names.map((name) => view.knows(name));
  };

  test('plain, pattern, CA and hashed lines count; revoked ones and other names do not', async () => {
    const content = `[web1]:2222,[web2]:2222 ${key.line}\n@cert-authority [*.example]:2222 ${key.line}\n@revoked * ${key.line}\n`;
    const names = ['[web1]:2222', '[a.example]:2222', 'web1', '[web3]:2222'];
    expect(await knows(content, ...names)).toEqual([true, true, false, false]);
    const hashed = space.file('hash-me', `[web1]:2222 ${key.line}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', hashed], { stdio: 'ignore' });
    expect(await knows(readFileSync(hashed, 'utf8'), ...names)).toEqual([true, false, false, false]);
  });

  test('what could not be looked through counts as known', async () => {
    const wide = `${'x'.repeat(10_000)} ${key.line}\n`;
    expect(await knows(wide.repeat(100), 'web1')).toEqual([false]);
    expect(await knows(wide.repeat(201), 'web1')).toEqual([true]);
    const missing = await new KnownHostsStore([join(space.path, 'missing-too')]).look();
    expect(missing.knows('web1')).toBe(false);
    const unreadable = await new KnownHostsStore([space.path]).look();
    expect(unreadable.knows('web1')).toBe(true);
  });
});

test('an unchanged file is not parsed again', async () => {
  const store = new KnownHostsStore([space.file('steady', `web1 ${key.line}\n`)]);
  const first = (await store.look()).linesOf(key.blob)[0];
  expect((await store.look()).linesOf(key.blob)[0]).toBe(first);
});

test('what can not be read is a warning: a directory, a named pipe, a giant; bad lines are counted', async () => {
  const directory = join(space.path, 'directory');
  mkdirSync(directory);
  const pipe = join(space.path, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const giant = space.file('giant', '');
  truncateSync(giant, MAX_FILE_BYTES + 1);
  const odd = space.file('odd', `rubbish\nweb1 ${key.line}\n`);
  const view = await new KnownHostsStore([directory, pipe, giant, odd]).look();
  expect(hosts(view)).toEqual(['web1']);
  expect(view.warnings).toEqual([
    expect.stringContaining('not a regular file'),
    expect.stringContaining('not a regular file'),
    expect.stringContaining('larger than'),
    `${odd} has lines that are no known_hosts lines: 1`,
  ]);
});
