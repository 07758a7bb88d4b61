import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { callerWords, MAX_CANDIDATES } from '../../../src/destination/caller-words.ts';
import { WardenError } from '../../../src/errors.ts';
import { sshPrints, Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const home = join(space.path, 'home');
mkdirSync(join(home, '.ssh'), { recursive: true });
const context = { cwd: space.path, home, localUser: 'joe', systemConfig: join(space.path, 'system') };

function words(...args: readonly string[]) {
  return callerWords(['/usr/bin/ssh', ...args], context);
}

describe('hostile input', () => {
  const limit = { code: 'limit_exceeded' };

  test('a loop of Includes, and a tree of them', async () => {
    space.file('loop', `Include ${space.path}/loop\n`);
    await expect(words('-F', 'loop', 'web1')).rejects.toMatchObject(limit);
    space.file('tree', 'Include tree-[01]\n');
    space.file('home/.ssh/tree-0', 'Include tree-[01]\n');
    space.file('home/.ssh/tree-1', 'Include tree-[01]\n');
    await expect(words('-F', 'tree', 'web1')).rejects.toMatchObject(limit);
  });

  test('sixteen Includes deep is as far as ssh goes', async () => {
    for (let i = 0; i <= 17; i += 1) {
      space.file(`deep-${i}`, i === 16 ? 'Port 5\n' : `Include ${space.path}/deep-${i + 1}\n`);
    }
    const args = ['-F', join(space.path, 'deep-0'), 'web1'];
    expect(sshPrints(args)?.get('port')).toBe('5');
    expect((await words(...args)).candidates).toEqual(['[web1]:5', 'web1']);
    space.file('deep-16', `Include ${space.path}/deep-17\n`);
    expect(sshPrints(args)).toBeUndefined();
    await expect(words(...args)).rejects.toMatchObject(limit);
  });

  test.each([
    ['a large file', 'Host x\n'.repeat(200_000)],
    ['a long line', `Host ${'x'.repeat(1024 * 1024 - 100)}\n`],
    ['a long line of wildcards', `Host ${'*a'.repeat(50_000)}\n`],
  ])('%s', async (_, content) => {
    space.file('huge', content);
    await expect(words('-F', 'huge', 'web1')).rejects.toMatchObject(limit);
  });

  test('many files over and over', async () => {
    space.file('many', 'Include many-more\n'.repeat(2000));
    space.file('home/.ssh/many-more', '# nothing\n');
    await expect(words('-F', 'many', 'web1')).rejects.toMatchObject(limit);
  });

  test('a directory is an empty configuration, as for ssh; a device and a pipe, which ssh reads, are an error', async () => {
    const pipe = join(space.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect((await words('-F', space.path, 'web1')).told).toEqual([{ name: 'web1' }]);
    expect(sshPrints(['-F', space.path, 'web1'])?.get('hostname')).toBe('web1');
    for (const file of ['/dev/zero', pipe]) {
      await expect(words('-F', file, 'web1')).rejects.toMatchObject(limit);
      space.file('includes', `Include ${file}\n`);
      await expect(words('-F', 'includes', 'web1')).rejects.toMatchObject(limit);
    }
  });

  test('very many possibilities are cut', async () => {
    const block = (i: number) => `Match exec x\n HostName h${i}.example\n Port ${1000 + i}\n`;
    space.file('wide', Array.from({ length: 500 }, (_, i) => block(i)).join(''));
    expect((await words('-F', 'wide', 'web1')).candidates).toHaveLength(MAX_CANDIDATES);
  });

  test('no configuration and no argument vector makes it do anything but answer', async () => {
    const word = fc.oneof(
      fc.constantFrom(
        'Host',
        'Match',
        'exec',
        'HostName',
        '"',
        "'",
        '=',
        '%',
        '!',
        '*',
        '#',
        '\\',
        '\n',
        ' ',
        'all',
      ),
      fc.string({ maxLength: 6 }),
    );
    const text = fc.array(word, { maxLength: 30 }).map((parts) => parts.join(' '));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.string({ maxLength: 8 })), async (config, args) => {
        space.file('noise', config);
        // An argument may be a `-F` of its own, and name a file that isn't there: ssh would end on it too.
        const found = await words('-F', 'noise', ...args, 'web1').catch((error: unknown) => {
          if (error instanceof WardenError) return { candidates: [] };
          throw error;
        });
        for (const name of found.candidates) expect(name).toMatch(/^[!-~]+$/);
      }),
      { numRuns: 200, examples: [['', ['-F ']]] },
    );
  });
});
