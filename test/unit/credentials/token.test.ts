import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TokenAuth } from '../../../src/config/config.ts';
import { tokenMethod } from '../../../src/credentials/token.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';

function directory(): TempDirectory {
  const made = tempDirectory();
  onTestFinished(() => made.remove());
  return made;
}

const AUTH = { method: 'token', tokenFile: '/nonexistent/token' } as const;

/** The method, with its token alone. */
function method(auth: TokenAuth, env: NodeJS.ProcessEnv, taken: NodeJS.ProcessEnv = {}) {
  const made = tokenMethod(auth, { env, taken });
  return { ...made, token: async () => (await made.logIn(2_000)).token };
}

function credential(env: NodeJS.ProcessEnv, tokenFile = '/nonexistent/token', tokenHelper?: string) {
  return method({ ...AUTH, tokenEnv: ['A_TOKEN', 'B_TOKEN'], tokenFile, tokenHelper }, env);
}

describe('the environment', () => {
  test('gives the token of the first variable that holds one, and loses all of them', async () => {
    const env = { A_TOKEN: '', B_TOKEN: 's.b', OTHER: 'stays' };
    const found = credential(env);
    expect(env).toEqual({ OTHER: 'stays' });
    expect(await found.token()).toBe('s.b');
    expect(found.describe()).toBe('environment B_TOKEN');
  });

  test('is the real one too: no child inherits the token', async () => {
    process.env['A_TOKEN'] = 's.a';
    process.env['B_TOKEN'] = 's.b';
    const found = credential(process.env);
    const child = spawnSync(process.execPath, ['-p', 'JSON.stringify(process.env)'], { encoding: 'utf8' });
    expect(child.stdout).toContain('PATH');
    expect(child.stdout).not.toContain('_TOKEN');
    expect(await found.token()).toBe('s.a');
  });

  test('that was taken is there for the next credential, whose configuration may name it', async () => {
    const [env, taken] = [{ A_TOKEN: 's.a', B_TOKEN: 's.b' }, {}];
    await method({ ...AUTH, tokenEnv: ['A_TOKEN'] }, env, taken).token();
    expect(env).toEqual({ B_TOKEN: 's.b' });
    const next = method({ ...AUTH, tokenEnv: ['A_TOKEN', 'B_TOKEN'] }, env, taken);
    expect(await next.token()).toBe('s.a');
    expect(env).toEqual({});
    expect(await method({ ...AUTH, tokenEnv: ['B_TOKEN'] }, env, taken).token()).toBe('s.b');
  });

  test('wins over the file', async () => {
    const file = directory().write('token', 's.file');
    expect(await credential({ A_TOKEN: 's.env' }, file).token()).toBe('s.env');
  });
});

describe('the token file', () => {
  test('is noticed when it is another, or gone', async () => {
    const dir = directory();
    const found = credential({}, dir.write('token', 's.one'));
    await found.token();
    expect(await found.changed()).toBe(false);
    dir.write('token', 's.two');
    expect(await found.changed()).toBe(true);
    await found.token();
    expect(await found.changed()).toBe(false);
    rmSync(dir.join('token'));
    expect(await found.changed()).toBe(true);
  });

  test('is read anew at each login', async () => {
    const dir = directory();
    const found = credential({}, dir.write('token', 's.one\n'));
    expect(found.describe()).toBe(`file ${dir.join('token')}`);
    expect(await found.token()).toBe('s.one');
    dir.write('token', '  s.two  \n');
    expect(await found.token()).toBe('s.two');
    rmSync(dir.join('token'));
    await expect(found.token()).rejects.toMatchObject({ code: 'no_token' });
    dir.write('token', 's.three');
    expect(await found.token()).toBe('s.three');
  });

  test('of 16 KiB is read, one byte more is no token', async () => {
    const dir = directory();
    const longest = 'x'.repeat(16 * 1024);
    expect(await credential({}, dir.write('token', longest)).token()).toBe(longest);
    await expect(credential({}, dir.write('token', `${longest}x`)).token()).rejects.toMatchObject({
      code: 'no_token',
      message: expect.stringContaining('is not a token file'),
    });
  });

  test.each([
    ['two words', 's.one s.two'],
    ['two lines', 's.one\ns.two'],
    ['a header that is smuggled in', 's.one\r\nX-Evil: 1'],
    ['letters that no header carries', 's.tökén'],
    ['NUL', 's.one\0'],
    ['bytes', Buffer.from([0xff, 0xfe, 0x80])],
  ])('with %s is not usable, and the line does not repeat it', async (_name, content) => {
    const file = directory().write('token', content);
    await expect(credential({}, file).token()).rejects.toMatchObject({
      code: 'no_token',
      message: `${file} holds no usable OpenBao token`,
      hint: expect.stringContaining('bao login'),
    });
  });

  test.each(['', ' \n'])('that is empty (%j) counts as missing', async (content) => {
    const file = directory().write('token', content);
    await expect(credential({}, file).token()).rejects.toMatchObject({
      code: 'no_token',
      message: `no OpenBao token: A_TOKEN and B_TOKEN empty, ${file} missing or empty`,
      hint: expect.stringContaining('bao login'),
    });
  });

  test('that is a directory or a FIFO is refused, and nobody waits for a writer', async () => {
    const dir = directory();
    mkdirSync(dir.join('d'));
    await expect(credential({}, dir.join('d')).token()).rejects.toMatchObject({ code: 'no_token' });
    spawnSync('mkfifo', [dir.join('f')]);
    await expect(credential({}, dir.join('f')).token()).rejects.toMatchObject({
      code: 'no_token',
      message: expect.stringContaining('is not a token file'),
    });
  });
});

test('a variable with a token that no header carries is named', async () => {
  await expect(credential({ A_TOKEN: 's.a\r\nX: 1' }).token()).rejects.toMatchObject({
    code: 'no_token',
    message: 'A_TOKEN holds no usable OpenBao token',
  });
});

describe('the token helper', () => {
  const helper = (dir: TempDirectory, script: string) => dir.write('helper', `#!/bin/sh\n${script}\n`, 0o700);

  test('is run with `get`, without the secrets of the environment, in the file’s place', async () => {
    const dir = directory();
    const program = helper(dir, `env > ${dir.join('env')}; echo "$1" > ${dir.join('args')}; echo s.helper`);
    const env = { A_TOKEN: '', B_SECRET: 'hunter2', HOME: dir.path, PATH: process.env['PATH'] };
    const found = credential(env, dir.write('token', 's.file'), program);
    expect(await found.token()).toBe('s.helper');
    expect(found.describe()).toBe(`token helper ${program}`);
    expect(readFileSync(dir.join('args'), 'utf8')).toBe('get\n');
    const seen = readFileSync(dir.join('env'), 'utf8');
    expect(seen).toContain(`HOME=${dir.path}`);
    expect(seen).not.toContain('hunter2');
  });

  test.each([
    ['prints nothing', 'true', 'has none'],
    ['fails', 'echo s.secret; echo locked >&2; exit 3', 'failed: exit 3: locked'],
    ['never ends', 'exec sleep 30', 'failed: no answer in time'],
    ['prints two words', 'echo s.one s.two', 'holds no usable OpenBao token'],
  ])('that %s is named, and what it printed is not', async (_name, script, why) => {
    const program = helper(directory(), script);
    const failure = await tokenMethod(
      { ...AUTH, tokenEnv: ['A'], tokenHelper: program },
      { env: {}, taken: {} },
    )
      .logIn(500)
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ code: 'no_token', message: expect.stringContaining(why) });
    expect(String(failure)).not.toContain('s.secret');
    expect(String(failure)).toContain(program);
  });
});
