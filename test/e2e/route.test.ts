/** `warden route` as people and programs call it. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { blocks } from '../support/pages.ts';
import { mustRun, run } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const home = tempDirectory('route-');
const env = { HOME: home.path, XDG_RUNTIME_DIR: home.join('run') };
const cli = (...words: string[]) => run(LAUNCHER, ['route', ...words], { env });

const foundSchema = z.object({
  outcome: z.string(),
  matches: z.array(z.object({ id: z.string(), warden_role: z.string(), resolvable: z.boolean() })),
  nearest: z.object({ owner_repo: z.string(), id: z.string().nullable() }).nullable(),
});

async function foundFor(...words: string[]) {
  const { code, stdout } = await cli('find', '--json', ...words);
  return { code, ...foundSchema.parse(JSON.parse(stdout)) };
}

beforeAll(() => {
  mkdirSync(home.join('run'), { mode: 0o700 });
  mkdirSync(home.join('.config/warden/catalog'), { recursive: true, mode: 0o700 });
  home.write(
    '.config/warden/catalog/ours.yaml',
    `entries:
  - { id: fax-gateway, title: Fax, need_keywords: [fax], owner_repo: office, status: retired, retired_reason: nobody faxes }
  - { id: openbao-api-key, owner_repo: our-team }
`,
  );
});
afterAll(() => home.remove());

test('finds an entry, nothing, several, a draft, a retired one: 0, 1, 3, 4, 5', async () => {
  expect(await foundFor('npm token for whynot')).toMatchObject({
    code: 0,
    outcome: 'match',
    matches: [{ id: 'whynot-design-npm-publish', warden_role: 'assist', resolvable: true }],
  });
  expect(await foundFor('coffee')).toMatchObject({
    code: 1,
    outcome: 'none',
    matches: [],
    nearest: { owner_repo: 'ops-warden', id: null },
  });
  expect(await foundFor('wifi password')).toMatchObject({
    code: 1,
    nearest: { owner_repo: 'our-team', id: 'openbao-api-key' },
  });
  expect(await foundFor('api', 'key')).toMatchObject({ code: 3, outcome: 'ambiguous' });
  expect(await foundFor('postgres password')).toMatchObject({ code: 4, outcome: 'draft' });
  expect(await foundFor('fax-gateway')).toMatchObject({ code: 5, outcome: 'retired' });
});

test('says to people what to do, and why it thinks so', async () => {
  const { code, stdout, stderr } = await cli('find', 'npm', 'token', 'for', 'whynot');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/^whynot-design-npm-publish: /);
  expect(stdout).toMatch(
    /with secrets-engine +secrets-engine exec --catalog whynot-design-npm-publish -- <cmd>\n/,
  );
  expect(stdout).toMatch(/as yourself +bao kv get/);
  expect(stdout).toMatch(/found by 100 % of the need: npm \(id, 1\.00\)/);
  expect((await cli('find', 'coffee')).stdout).toMatch(/^nobody in the catalog serves "coffee"; ops-warden /);
  expect((await cli('find', 'fax-gateway')).stdout).toContain('it is retired: nobody faxes');
});

test('the plain form and the one that commander reads say the same', async () => {
  for (const words of [['npm token for whynot'], ['--json', 'api', 'key'], ['--all', 'fax']]) {
    const quick = await cli('find', ...words);
    const long = await cli('find', '--config', home.join('.config/warden/warden.yaml'), ...words);
    // The file is not there: named, it must be.
    expect(long).toMatchObject({ code: 78, stdout: '' });
    expect(await cli('find', ...words, '--')).toEqual(quick);
  }
  expect(await cli('find')).toMatchObject({ code: 64, stdout: '' });
  expect(await cli('find', '--bogus', 'x')).toMatchObject({ code: 64, stdout: '' });
  expect(await cli('find', ' ')).toMatchObject({ code: 64, stdout: '' });
});

test('lists by status, keyword and review', async () => {
  const ids = async (...words: string[]) =>
    z
      .array(z.object({ id: z.string() }))
      .parse(JSON.parse((await cli('list', '--json', ...words)).stdout))
      .map(({ id }) => id);
  expect(await ids()).not.toContain('fax-gateway');
  expect(await ids('--all')).toContain('fax-gateway');
  expect(await ids('--all', '--tag', 'FAX')).toEqual(['fax-gateway']);
  expect(await ids('--all', '--stale', '--stale-days', '9999')).toEqual(['fax-gateway']);
  expect((await cli('list')).stdout).toMatch(/^ssh-cert-host-access +issue +active +ops-warden /);
});

test('shows where each field is written', async () => {
  const shown = z
    .object({ owner_repo: z.string(), origins: z.record(z.string(), z.string()), over: z.array(z.string()) })
    .parse(JSON.parse((await cli('show', 'openbao-api-key', '--json')).stdout));
  expect(shown.owner_repo).toBe('our-team');
  expect(shown.origins['owner_repo']).toBe(`${home.join('.config/warden/catalog/ours.yaml')}:3`);
  expect(shown.origins['title']).toMatch(/catalog\/routing\.yaml:\d+$/);
  expect(shown.over).toEqual([expect.stringMatching(/catalog\/routing\.yaml:\d+$/)]);
  expect((await cli('show', 'openbao-api-key')).stdout).toMatch(/owner_repo +\S+ours\.yaml:3\n/);
  expect(await cli('show', 'nothing')).toMatchObject({ code: 1, stdout: '' });
});

test('checks: every mistake with file, line and column, for people and programs', async () => {
  expect((await cli('check')).stdout).toMatch(/ours\.yaml:2:\d+: entries\[0\]\.reviewed: is missing \(write/);
  const bad = home.write('bad.yaml', 'entries:\n  - { id: x, status: activ }\n');
  const checked = await cli('check', bad, '--json');
  expect(checked.code).toBe(1);
  expect(JSON.parse(checked.stdout)).toEqual([
    expect.objectContaining({ file: bad, line: 2, column: 14, key: 'entries[0].status' }),
  ]);
  expect(await cli('check', home.join('missing'))).toMatchObject({ code: 78, stdout: '' });
});

test('what was read is kept, and counts no longer when a file changes, comes or goes', async () => {
  const kept = () => readdirSync(home.join('run/warden/route')).filter((name) => name.endsWith('.index'));
  await sleep(1_100);
  await cli('find', 'fax-gateway');
  const [name = ''] = kept();
  expect(name).toMatch(/^[0-9a-f]{8}\.index$/);
  const store = home.join('run/warden/route', name);
  const before = readFileSync(store, 'utf8');
  await cli('find', 'fax-gateway');
  expect(readFileSync(store, 'utf8')).toBe(before);

  const more = home.join('.config/warden/catalog/more.yaml');
  writeFileSync(more, 'entries:\n  - { id: pager, status: draft, need_keywords: [pager] }\n');
  expect(await foundFor('pager')).toMatchObject({ code: 4 });
  writeFileSync(more, 'entries:\n  - { id: pager, status: active, need_keywords: [pager] }\n');
  expect(await foundFor('pager')).toMatchObject({ code: 0 });
  writeFileSync(more, 'entries: [');
  const broken = await cli('find', 'pager');
  expect(broken.code).toBe(1);
  expect(broken.stderr).toBe(
    'warden: mistakes in the catalog: 1; what is wrong is left out (warden route check)\n',
  );
  await run('rm', [more]);
  expect(await foundFor('pager')).toMatchObject({ code: 1 });
});

test('looking something up sets nothing up in a home that is empty', async () => {
  const empty = tempDirectory('none-');
  const result = await run(LAUNCHER, ['route', 'find', 'npm token for whynot'], {
    env: { HOME: empty.path },
  });
  expect(result.code).toBe(0);
  expect(readdirSync(empty.path)).toEqual([]);
  empty.remove();
});

test('a store that is cut, wrong or another’s is made anew', async () => {
  const [name = ''] = readdirSync(home.join('run/warden/route')).filter((each) => each.endsWith('.index'));
  const store = home.join('run/warden/route', name);
  await sleep(1_100);
  await cli('find', 'x');
  const good = readFileSync(store, 'utf8');
  for (const bad of ['', 'x', good.slice(0, 100), good.slice(0, -2000), `9999999999${good}`]) {
    writeFileSync(store, bad);
    expect((await cli('find', 'database-dynamic-credentials')).code, bad.slice(0, 20)).toBe(4);
  }
  writeFileSync(store, good.replaceAll('"status"', '"statuz"'));
  expect(await cli('find', 'database-dynamic-credentials')).toMatchObject({ code: 65, stdout: '' });
  writeFileSync(store, good.replaceAll('database', 'databass'));
  await run('chmod', ['644', store]);
  expect((await cli('find', 'database-dynamic-credentials')).code).toBe(4);
});

test('the page’s own commands', async () => {
  const script = blocks('docs/catalog.md', 'catalog:find').replaceAll('warden ', `'${LAUNCHER}' `);
  const clean = { HOME: home.join('nobody'), XDG_RUNTIME_DIR: home.join('run') };
  const shown = await mustRun('sh', ['-ec', script], { env: clean });
  expect(shown).toContain('15 entries are good');
});
