/**
 * The doubles of bao and key-cape: installed by the command, run by their names, and bao's compared with the real one: the same words to
 * both, where the real one holds the double's own values, give the same output and exit status.
 */
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { basename, delimiter } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NO_OPENBAO, type OpenBao, openbaoBinary, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { type Result, run } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const directory = tempDirectory('doubles-');
const doubles = directory.join('it’s here');
const env = { PATH: `${doubles}${delimiter}${process.env['PATH']}`, HOME: directory.path };
afterAll(() => directory.remove());

const double = (words: readonly string[], more = {}) =>
  run('/usr/bin/env', ['bao', ...words], { env: { ...env, ...more } });

beforeAll(async () => {
  const { code, stdout, stderr } = await run(LAUNCHER, ['doubles', '--dir', doubles], { env });
  expect({ code, stderr }).toEqual({ code: 0, stderr: `${doubles}/bao\n${doubles}/key-cape\n` });
  const found = await run('sh', ['-c', `${stdout}command -v bao`]);
  expect(found.stdout).toBe(`${doubles}/bao\n`);
});

describe('installing', () => {
  test('again leaves the tables as they are and renews the programs', async () => {
    directory.write('it’s here/bao.paths', 'secret/mine A\n');
    directory.write('it’s here/key-cape', readFileSync(`${doubles}/key-cape`, 'utf8').slice(0, 60), 0o755);
    expect((await run(LAUNCHER, ['doubles', '--dir', doubles], { env })).code).toBe(0);
    expect(readFileSync(`${doubles}/bao.paths`, 'utf8')).toBe('secret/mine A\n');
    expect(readFileSync(`${doubles}/key-cape`, 'utf8')).toContain('exit 70');
    expect(statSync(`${doubles}/bao`).mode & 0o777).toBe(0o755);
  });

  test('never over another program', async () => {
    mkdirSync(directory.join('real'));
    const real = directory.write('real/bao', '#!/bin/sh\necho real\n', 0o755);
    const { code, stderr } = await run(LAUNCHER, ['doubles', '--dir', directory.join('real')], { env });
    expect({ code, stderr }).toMatchObject({
      code: 64,
      stderr: expect.stringContaining(`${real} is another program`),
    });
    expect(readFileSync(real, 'utf8')).toContain('echo real');
    const nowhere = await run(LAUNCHER, ['doubles', '--dir', `${real}/below`], { env });
    expect(nowhere.code).toBe(69);
  });
});

describe('bao', () => {
  test('hermetic: no address, no token, nothing of the environment’s in what it prints', async () => {
    const secret = { BAO_TOKEN: 's.realreal', VAULT_TOKEN: 's.realreal', BAO_ADDR: 'http://127.0.0.1:1' };
    for (const words of [
      ['print', 'token'],
      ['kv', 'get', 'secret/x'],
      ['login', '-method=oidc'],
      ['token', 'lookup'],
      ['status'],
    ]) {
      const { code, stdout, stderr } = await double(words, secret);
      expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' });
      expect(stdout).toContain('synthetic-');
      expect(stdout).not.toContain('real');
    }
  });

  test('values differ by path and field, and stay', async () => {
    const get = async (path: string, field: string) =>
      (await double(['kv', 'get', `-field=${field}`, path])).stdout;
    const values = await Promise.all([get('a/b', 'x'), get('a/b', 'y'), get('a/c', 'x'), get('a/b', 'x')]);
    expect(new Set(values).size).toBe(3);
    expect(values[0]).toBe(values[3]);
    for (const value of values) expect(value).toMatch(/^synthetic-[xy]-\d+$/);
  });

  test('what it does not do it says', async () => {
    for (const words of [
      ['kv', 'put', 'secret/a', 'x=1'],
      ['write', 'ssh/sign/x'],
      ['kv', 'get', '-format=yaml', 'secret/a'],
      [],
    ])
      expect(await double(words)).toMatchObject({
        code: 70,
        stdout: '',
        stderr: expect.stringContaining('this double of bao does not know'),
      });
  });
});

describe('bao beside the real one', () => {
  const missing = openbaoMissing();
  beforeEach((context) => {
    context.skip(missing, NO_OPENBAO);
  });
  let bao: OpenBao;
  const MOUNT = 'secret';
  const PATHS = {
    'platform/app': ['NPM_AUTH_TOKEN', 'a'],
    'a-path/that/is-far/longer/than/its-header': ['value'],
    one: ['B', 'a', 'C'],
  };

  const real = (words: readonly string[], more = {}) =>
    run(openbaoBinary() ?? '', words, {
      env: { HOME: directory.path, BAO_ADDR: bao.addr, BAO_TOKEN: bao.rootToken, ...more },
    });

  /** What differs each time, as what the double says. */
  const plain = ({ code, stdout, stderr }: Result) => ({
    code,
    stdout: stdout
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z/g, 'TIME')
      .replace(/(request_id": )"[^"]+"/, '$1"ID"'),
    stderr: stderr.replace(/^URL: GET .*\/v1\//m, 'URL: GET ADDRESS/v1/'),
  });

  beforeAll(async () => {
    if (missing) return;
    bao = await startOpenBao();
    directory.write(
      'it’s here/bao.paths',
      [
        ...Object.entries(PATHS).map(([path, fields]) => `${MOUNT}/${path} ${fields.join(' ')}\n`),
        `${MOUNT}/gone !missing\n`,
        `${MOUNT}/closed !denied\n`,
      ].join(''),
    );
    for (const [path, fields] of Object.entries(PATHS)) {
      const data = await Promise.all(
        fields.map(async (field) => [
          field,
          (await double(['kv', 'get', `-field=${field}`, `${MOUNT}/${path}`])).stdout,
        ]),
      );
      expect(
        (await bao.api('POST', `${MOUNT}/data/${path}`, { data: Object.fromEntries(data) })).status,
      ).toBe(200);
    }
  }, 30_000);
  afterAll(() => bao?.stop());

  const WORDS: readonly (readonly string[])[] = [
    ...Object.keys(PATHS).flatMap((path) => [
      ['kv', 'get', `${MOUNT}/${path}`],
      ['kv', 'get', '-format=json', `${MOUNT}/${path}`],
      ['kv', 'get', `-mount=${MOUNT}`, path],
      ['kv', 'get', '-mount', MOUNT, '-format', 'json', `/${path}`],
    ]),
    ['kv', 'get', '-field=NPM_AUTH_TOKEN', 'secret/platform/app'],
    ['kv', 'get', '--field', 'a', '--mount=secret', 'platform/app'],
    ['kv', 'get', '-field=a', '-format=json', 'secret/one'],
    ['kv', 'get', '-version=1', '-field=a', 'secret/one'],
    ['kv', 'get', '-field=nope', 'secret/one'],
    ['kv', 'get', 'secret/gone'],
    ['kv', 'get', '-format=json', 'secret/gone'],
    ['kv', 'get', '-field=x', 'secret/gone'],
    ['kv', 'get'],
    ['kv', 'get', 'secret/one', 'two'],
    ['kv', 'get', 'secret/one', '-field=a'],
    ['kv', 'get', '-bogus', 'secret/one'],
  ];
  test.each(WORDS.map((words) => [words.join(' '), words] as const))('bao %s', async (_title, words) => {
    expect(plain(await double(words))).toEqual(plain(await real(words)));
  });

  test('a path that is denied', async () => {
    const policy = `path "${MOUNT}/data/one" { capabilities = ["read"] }`;
    await bao.api('POST', 'sys/policies/acl/one', { policy });
    const token = await bao.createToken({ policies: ['one'] });
    const words = ['kv', 'get', 'secret/closed'];
    const denied = plain(await real(words, { BAO_TOKEN: token }));
    expect(denied.code).toBe(2);
    expect(plain(await double(words))).toEqual(denied);
  });

  /** Each value in its place: a table's second column, a JSON string, as what it is. */
  const shape = (text: string) =>
    text
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
      .replace(
        /synthetic-[\w-]+|vault-cluster-\w+|[0-9a-f]{8}-[0-9a-f-]{27}|\b[A-Za-z0-9]{24}\b|\broot(-[0-9a-f]+)?\b/g,
        'VALUE',
      )
      .replace(/(creation_time\W+)\d+/, '$1SECONDS')
      .replace(/"display_name": "\w+"|display_name( +)\w+/g, 'NAME');

  test.each([
    [['status']],
    [['status', '-format=json']],
    [['token', 'lookup']],
    [['token', 'lookup', '-format=json']],
    [['token', 'lookup', '-field=nope']],
    [['login', '-no-store', 'TOKEN']],
    [['login', '-no-store', '-format=json', 'TOKEN']],
    [['login', '-no-store', '-field=token', 'TOKEN']],
    [['login', '-no-store', '-field=nope', 'TOKEN']],
    [['version']],
  ])('%j has the real one’s form', async (words) => {
    const given = words.map((word) => (word === 'TOKEN' ? bao.rootToken : word));
    const mine = await double(given);
    // With BAO_TOKEN set, login warns of it.
    const its = await real(given, words[0] === 'login' ? { BAO_TOKEN: undefined } : {});
    const form = ({ code, stdout, stderr }: Result) => ({
      code,
      stderr,
      stdout: shape(stdout).replace(/^OpenBao v(\S+) \([^)]+\)/, 'OpenBao v$1 (COMMIT)'),
    });
    expect(form(mine)).toEqual(form(its));
  });
});

describe('key-cape', () => {
  const keyCape = (...words: readonly string[]) => run('/usr/bin/env', ['key-cape', ...words], { env });

  test('answers what its table says, and nothing else', async () => {
    const shipped = await keyCape('login');
    expect(shipped.code).toBe(0);
    const token: unknown = JSON.parse(shipped.stdout);
    expect(token).toMatchObject({ access_token: 'synthetic-access-token' });
    directory.write(
      'it’s here/key-cape.answers',
      '# mine\nlogin --realm a b => 3 => synthetic-id => synthetic-more\nlogout => 0\nleak => 0 => eyJreal\nbroken\n',
    );
    expect(await keyCape('login', '--realm', 'a', 'b')).toMatchObject({
      code: 3,
      stdout: 'synthetic-id => synthetic-more\n',
    });
    expect(await keyCape('logout')).toMatchObject({ code: 0, stdout: '' });
    expect(await keyCape('leak')).toMatchObject({
      code: 70,
      stdout: '',
      stderr: expect.stringContaining('synthetic- values only'),
    });
    expect(await keyCape('broken')).toMatchObject({ code: 70, stdout: '' });
    expect(await keyCape('login')).toMatchObject({
      code: 70,
      stderr: expect.stringContaining('no answer to: login'),
    });
    expect(basename(doubles)).toBe('it’s here');
  });
});
