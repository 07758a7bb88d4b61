import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it, test } from 'vitest';
import { checkCatalog } from '../../../src/catalog/check.ts';
import { loadLanes } from '../../../src/catalog/load.ts';
import { viewOf } from '../../../src/catalog/route-view.ts';
import { loadRoutes } from '../../../src/catalog/routes.ts';

const NOW = Date.parse('2026-11-27T00:00:00Z');
const home = realpathSync(mkdtempSync(join(tmpdir(), 'warden-routes-')));
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const full = join(home, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

/** What is written in the files, laid over each other in the order of the directories' names. */
function load(files: Readonly<Record<string, string>>) {
  for (const [path, text] of Object.entries(files)) write(path, text);
  const layers = [...new Set(Object.keys(files).map((path) => join(home, path.split('/')[0] ?? '')))].sort();
  return loadRoutes({ shipped: undefined, layers, uid: undefined });
}

/** The mistakes as `file:line:column key: message`. */
function mistakes(files: Readonly<Record<string, string>>): string[] {
  return checkCatalog(load(files), NOW).map(
    ({ file, line, column, key, message }) =>
      `${file.replace(`${home}/`, '')}:${line}:${column} ${key}: ${message}`,
  );
}

const GOOD = `entries:
  - id: a
    title: A
    need_keywords: [a]
    owner_repo: team
    status: active
    reviewed: 2026-11-01
    wiki_ref: a.md#part-one
`;
const PAGE = '# A\n\n## Part one\n\n[one](#part-one) [other](https://example.com)\n';

describe('the shipped catalog', () => {
  const shipped = loadRoutes({ shipped: 'catalog', layers: [], uid: undefined });

  it('is good', () => {
    expect(checkCatalog(shipped, Date.now())).toEqual([]);
    expect(shipped.routes.length).toBe(15);
  });

  it('is what programs read, field for field', async () => {
    const views = shipped.routes.map(viewOf).map((view) => ({
      ...view,
      page: view.page?.replace(/^.*catalog\//, 'catalog/') ?? null,
      next_action: view.next_action.replace(/\/?\S*catalog\/playbooks/, 'catalog/playbooks'),
    }));
    await expect(`${JSON.stringify(views, null, 2)}\n`).toMatchFileSnapshot('shipped-catalog.txt');
  });

  it('costs the agent no more than its lanes: a file without one is not even parsed', () => {
    write('shipped/broken.yaml', 'entries: [');
    write('shipped/also.yaml', 'entries:\n  - { id: x, status: active, ssh_note: no lane }\n');
    const context = { actors: new Map(), self: undefined, roleMap: {} };
    const places = { shipped: join(home, 'shipped'), layers: [], uid: 0 };
    expect(loadLanes(places, context)).toEqual([]);
    expect(loadRoutes(places).problems.length).toBeGreaterThan(0);
    expect(loadLanes({ ...places, shipped: 'catalog' }, context)).toEqual([]);
  });
});

describe('layers', () => {
  it('are laid over each other field by field, and each field says where it is written', () => {
    const { routes, problems } = load({
      '1/a.yaml': GOOD,
      '1/a.md': PAGE,
      '2/b.yaml': 'entries:\n  - id: a\n    owner_repo: others\n',
      '3/c.yaml': 'entries:\n  - id: a\n    fetch_command: [bao, read, x]\n    exec_capable: true\n',
    });
    expect(problems).toEqual([]);
    const [route] = routes;
    expect(route?.entry).toMatchObject({ title: 'A', owner_repo: 'others', exec_capable: true });
    expect(route?.originOf('title')).toBe(join(home, '1/a.yaml:3'));
    expect(route?.originOf('owner_repo')).toBe(join(home, '2/b.yaml:3'));
    expect(route?.originOf('fetch_command')).toBe(join(home, '3/c.yaml:3'));
    expect(route?.source).toBe(join(home, '3/c.yaml:2'));
    expect(route?.over).toEqual([join(home, '1/a.yaml:2'), join(home, '2/b.yaml:2')]);
    expect(route === undefined ? undefined : viewOf(route).page).toBe(join(home, '1/a.md#part-one'));
  });

  it('replace an entry whole where one of the two is a lane', () => {
    const ssh = '    warden_executes: true\n    ssh: { hosts: [h], logins: [ops] }\n';
    const upper = { '2/b.yaml': 'entries:\n  - { id: a, status: retired, retired_reason: gone }\n' };
    const { routes } = load({ '1/a.yaml': GOOD + ssh, ...upper });
    expect(routes[0]?.entry).toMatchObject({ status: 'retired', title: '', warden_executes: false });
    expect(routes[0]?.entry.ssh).toBeUndefined();
  });

  it('go on without what is wrong in them', () => {
    const { routes, problems } = load({
      '1/a.yaml': GOOD,
      '1/b.yaml': 'entries: [',
      '1/c.yaml': 'entries:\n  - id: c\n  - { id: d, status: active, titel: x }\n  - 5\n',
    });
    expect(routes.map(({ entry }) => entry.id)).toEqual(['a']);
    expect(problems.length).toBe(4);
  });
});

const add = (line: string) => ({ '1/a.yaml': `${GOOD}    ${line}\n`, '1/a.md': PAGE });

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['no status', { '1/a.yaml': 'entries:\n  - id: a\n' }, '1/a.yaml:2:5 entries[0].status: is missing'],
  ['an unknown key', add('titel: x'), '1/a.yaml:9:5 entries[0].titel: unknown key'],
  ['an id twice', { '1/a.yaml': GOOD, '1/b.yaml': GOOD, '1/a.md': PAGE }, 'a is taken by'],
  [
    'no owner',
    { '1/a.yaml': GOOD.replace('owner_repo: team', 'subsystem: s'), '1/a.md': PAGE },
    'owner_repo: is missing',
  ],
  [
    'no review',
    { '1/a.yaml': GOOD.replace('reviewed: 2026-11-01', 'subsystem: s'), '1/a.md': PAGE },
    'reviewed: is missing',
  ],
  [
    'no day',
    { '1/a.yaml': GOOD.replace('11-01', '02-30'), '1/a.md': PAGE },
    '1/a.yaml:7:5 entries[0].reviewed: is no day',
  ],
  ['a day to come', { '1/a.yaml': GOOD.replace('2026', '2027'), '1/a.md': PAGE }, 'is in the future'],
  ['no page', { '1/a.yaml': GOOD }, '1/a.yaml:8:5 entries[0].wiki_ref: leads to no page: a.md'],
  ['no heading', { '1/a.yaml': GOOD, '1/a.md': '# A\n' }, 'leads to no heading of a.md: #part-one'],
  ['a heading in code', { '1/a.yaml': GOOD, '1/a.md': '```\n# Part one\n```\n' }, 'leads to no heading'],
  ['a broken link', { '1/a.yaml': GOOD, '1/a.md': `${PAGE}[x](b.md)\n` }, 'which links to nothing: b.md'],
  [
    'a page of the system',
    { '1/a.yaml': GOOD.replace('a.md', '/etc/passwd'), '1/a.md': PAGE },
    'must be a path',
  ],
  [
    'a page by another protocol',
    { '1/a.yaml': GOOD.replace('a.md', 'file:a.md'), '1/a.md': PAGE },
    'must be a path',
  ],
  ['steps that are the owner’s', add('steps: [ask]'), 'steps: is the owner’s to say'],
  [
    'a fetch of what warden executes',
    add('warden_executes: true\n    fetch_command: [x]'),
    'fetch_command: stands in an entry',
  ],
  ['exec without a command', add('exec_capable: true'), 'exec_capable: wants a fetch_command'],
  ['an owner without a command', add('exec_owner: x'), 'exec_owner and exec_command belong together'],
  ['a pointer alone', add('pointer_command: [x]'), 'pointer_command: wants an exec_command'],
  [
    'a placeholder without a type',
    add('fetch_command: [x, <who>]'),
    '1/a.yaml:9:24 entries[0].fetch_command[1]: has <who>, which has no type',
  ],
  [
    'a placeholder for nothing',
    add('placeholders: { who: { type: name } }'),
    'placeholders.who: stands in no command',
  ],
  [
    'a placeholder of no type',
    add('placeholders: { who: { type: shell } }'),
    'must be one of: name, path, field, duration',
  ],
  [
    'the caller’s command to fetch',
    add('fetch_command: [x, <cmd>]'),
    'has <cmd>, which only exec_command has',
  ],
  ['a shell’s text', add('fetch_command: x | y'), 'wants a shell'],
  ['a substitution', add('fetch_command: x $(y)'), 'wants a shell'],
  ['a newline in a word', add('fetch_command: [x, "a\\nb"]'), 'has a control character'],
  ['a NUL in a word', add('fetch_command: [x, "a\\0b"]'), 'has a control character'],
  ['an option for a program', add('fetch_command: [-x]'), 'must begin with a program'],
  ['a placeholder for a program', add('fetch_command: ["<who>"]'), 'must begin with a program'],
  ['the caller’s command in the middle', add('exec_command: [x, <cmd>, y]'), 'elsewhere than last and alone'],
  ['a command of no words', add('fetch_command: []'), 'is empty'],
  [
    'retired without a word',
    { '1/a.yaml': GOOD.replace('active', 'retired'), '1/a.md': PAGE },
    'is retired without a word',
  ],
  ['replaced by nothing', add('replaced_by: b'), 'replaced_by: is no other entry'],
  [
    'ssh that warden doesn’t execute',
    add('ssh: { logins: [ops], hosts: [h] }'),
    'ssh: needs warden_executes',
  ],
  [
    'an OpenBao token',
    add(`path_template: hvs.${'aB3'.repeat(10)}`),
    '1/a.yaml:9:5 entries[0].path_template: looks like a secret',
  ],
  ['an API key', add(`policy_ref: sk-or-v1-${'0a1b'.repeat(8)}`), 'policy_ref: looks like a secret'],
  [
    'a GitHub token in a keyword',
    { '1/a.yaml': GOOD.replace('[a]', `[ghp_${'a1B2'.repeat(9)}]`), '1/a.md': PAGE },
    'need_keywords[0]: looks like a secret',
  ],
  [
    'a password that a machine made',
    add('auth_method: Zk3vQ9xT7bLw2RjY8mNc5HdPqXeS4u'),
    'auth_method: looks like a secret',
  ],
  [
    'a private key in a list',
    add('not_known: ["-----BEGIN OPENSSH PRIVATE KEY-----"]'),
    'not_known[0]: looks like a secret',
  ],
  [
    'a secret as a placeholder’s text',
    add(`placeholders: { x: { type: name, about: AKIA${'A1B2'.repeat(4)} } }`),
    'placeholders.x.about: looks like a secret',
  ],
])('check finds: %s', (_what, files, message) => {
  const found = mistakes(files);
  expect(found.join('\n')).toContain(message);
  // What looks like a secret is not said again.
  expect(found.join('\n')).not.toMatch(/hvs\.|sk-or|ghp_|Zk3v|BEGIN|AKIA/);
});

test('a good entry has no mistakes, nor one with fingerprints, paths and commit ids', () => {
  expect(mistakes(add('canon_ref: https://example.com/x'))).toEqual([]);
  const known = [
    'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    'platform/workloads/activity-core/llm-connect/llm-connect-provider-secrets',
    'd6088e4f0c1b2a3948576e5d4c3b2a1908f7e6d5',
    'workload-kv-read-whynot-design-npm-publish',
  ];
  expect(mistakes(add(`not_known: [${known.join(', ')}]`))).toEqual([]);
});
