/**
 * 500 catalogs that mean harm: whatever is in them, looking things up runs nothing, throws nothing, prints nothing that steers a
 * terminal, and takes no time. Every program that they name is a trap that leaves a trace.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { checkCatalog } from '../../../src/catalog/check.ts';
import { find } from '../../../src/catalog/find/find.ts';
import { indexOf } from '../../../src/catalog/find/index-data.ts';
import type { Searchable } from '../../../src/catalog/find/store.ts';
import { loadLanes } from '../../../src/catalog/load.ts';
import { filledView, mayFill, viewOf } from '../../../src/catalog/route-view.ts';
import { loadRoutes } from '../../../src/catalog/routes.ts';
import { foundJson, renderAdvice, renderFound, renderList } from '../../../src/cli/route-text.ts';
import { ConfigError } from '../../../src/config/problems.ts';
import { run } from '../../support/process.ts';
import { LAUNCHER } from '../../support/warden.ts';

const RUNS = 500;
const home = realpathSync(mkdtempSync(join(tmpdir(), 'warden-hostile-')));
const layer = join(home, 'catalog');
const trap = join(home, 'bin/bao');
const sprung = join(home, 'sprung');

beforeAll(() => {
  for (const path of ['bin', 'catalog']) mkdirSync(join(home, path));
  writeFileSync(trap, `#!/bin/sh\ntouch '${sprung}'\n`, { mode: 0o755 });
  for (const name of ['sh', 'curl', 'secrets-engine', 'git', 'touch-it'])
    symlinkSync(trap, join(home, 'bin', name));
  execFileSync('mkfifo', [join(layer, 'fifo')]);
  process.env['PATH'] = `${join(home, 'bin')}:${process.env['PATH']}`;
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const nasty = fc.oneof(
  fc.constantFrom(
    `$(${trap})`,
    `\`${trap}\``,
    `; ${trap}`,
    `| ${trap} &`,
    `${trap}\n${trap}`,
    '\u001b]0;title\u0007\u001b[2J',
    '\u202egnp.exe',
    '\r\nwarden: all is well',
    'a\u0000b',
    '<cmd>',
    '<__proto__>',
    '<>',
    '<<<<>>>>',
    '../../../../etc/passwd#root',
    '/dev/zero',
    'fifo',
    'file:///etc/shadow',
    'https://example.com/\u001b[31m',
    '__proto__',
    'constructor',
    '-rf',
    '*',
    '~root',
    '%s%n',
    'x'.repeat(5000),
    '((((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+!',
    `hvs.${'A1b2'.repeat(8)}`,
    '',
    ' ',
    '\ud800',
    '2026-13-45',
  ),
  fc.string({ unit: 'binary', maxLength: 60 }),
);
const scalar: fc.Arbitrary<unknown> = fc.oneof(
  nasty,
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.double(),
);
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  fc.array(scalar, { maxLength: 80 }),
  fc.dictionary(nasty, scalar, { maxKeys: 5 }),
  fc.constantFrom([trap, '<cmd>'], [trap, 'x;y'], ['sh', '-c', trap], `${trap} <a>`),
);

const FIELDS =
  `title need_keywords owner_repo subsystem warden_executes wiki_ref canon_ref reviewed steps cert_command policy_ref auth_method
  path_template exec_capable fetch_command exec_owner exec_command pointer_command placeholders not_known replaced_by retired_reason
  promotion ssh __proto__ extra`.split(/\s+/);
const goodish = {
  id: fc.constantFrom('a', 'b', 'constructor', '__proto__', 'whynot-design-npm-publish', '..', '-x'),
  status: fc.constantFrom('active', 'active', 'draft', 'ready', 'retired'),
  fetch_command: fc.constantFrom([trap, '<a>'], ['sh', '-c', `touch ${sprung}`], [trap, `$(${trap})`]),
  exec_capable: fc.boolean(),
  placeholders: fc.constantFrom({ a: { type: 'name' } }, {}),
  title: nasty,
  need_keywords: fc.array(nasty, { maxLength: 4 }),
};
const entry = fc
  .tuple(fc.record(goodish), fc.dictionary(fc.constantFrom(...FIELDS), value, { maxKeys: 6 }))
  .map(([good, bad]) => ({ ...good, ...bad }));

const bombs = fc.constantFrom(
  'entries: !!js/function "function(){ process.exit(1) }"\n',
  `entries:\n  - !!python/object/apply:os.system ["${trap}"]\n`,
  'a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\nentries: [*d,*d,*d,*d]\n',
  'entries: &e [*e]\n',
  `entries: ${'['.repeat(5000)}\n`,
  `${' '.repeat(3000)}- x\n`,
  'entries:\n  - <<: { id: a, status: active }\n',
  '%YAML 1.1\n---\nentries: yes\n...\n---\nentries: []\n',
  'entries: {}\n',
  '\ufeffentries: []\n',
  `entries:\n${'  - { id: same, status: draft }\n'.repeat(500)}`,
  '? [complex, key]\n: value\n',
);
const text = fc.oneof(
  { weight: 8, arbitrary: fc.array(entry, { maxLength: 6 }).map((entries) => stringify({ entries })) },
  { weight: 2, arbitrary: bombs },
  fc.tuple(fc.array(entry, { minLength: 1, maxLength: 3 }), fc.nat(), nasty).map(([entries, at, junk]) => {
    const whole = stringify({ entries });
    return whole.slice(0, at % whole.length) + junk + whole.slice(at % whole.length);
  }),
);

const NEEDS = [
  'npm token for whynot',
  '__proto__',
  'a',
  '',
  '\u001b[2J',
  'constructor prototype',
  `$(${trap})`,
];

/** Everything that looking up does, short of a process of its own: what is printed, and how many entries were taken. */
function lookUp(): { readonly lines: readonly string[]; readonly taken: number } {
  const places = { shipped: undefined, layers: [layer], uid: process.getuid?.() ?? 0 };
  const routes = loadRoutes(places);
  checkCatalog(routes, Date.now());
  try {
    loadLanes(places, { actors: new Map(), self: undefined, roleMap: {} });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  const views = routes.routes.map(viewOf);
  const index = indexOf(views);
  const catalog: Searchable = {
    index,
    count: views.length,
    wrong: routes.problems.length,
    view(number) {
      const view = views[number];
      if (view === undefined) throw new Error(`no entry ${number}`);
      return view;
    },
  };
  for (const view of views) {
    expect(mayFill(view, 'a', `$(${trap})`)).toBe(false);
    filledView(view, new Map([['a', 'x']]));
  }
  for (const { originOf, fields } of routes.routes) for (const field of fields) originOf(field);
  const found = NEEDS.map((need) => {
    const result = find(index, need, true);
    JSON.stringify(foundJson(need, result, catalog));
    return renderFound(need, result, catalog);
  });
  return { lines: [...found, renderList(views), ...views.flatMap(renderAdvice)], taken: views.length };
}

test(`${RUNS} hostile catalogs run nothing and break nothing`, { timeout: 240_000 }, () => {
  let served = 0;
  fc.assert(
    fc.property(text, (written) => {
      writeFileSync(join(layer, 'hostile.yaml'), written);
      const { lines, taken } = lookUp();
      expect(lines.join('\n')).not.toMatch(/[^\P{C}\n]/u);
      served += taken;
    }),
    { numRuns: RUNS },
  );
  expect(existsSync(sprung)).toBe(false);
  // They are not all refused at the door.
  expect(served).toBeGreaterThan(50);
});

test('nor do the commands themselves, whose programs are traps', async () => {
  const [sample = ''] = fc.sample(
    fc.array(entry, { minLength: 30, maxLength: 30 }).map((entries) => stringify({ entries })),
    1,
  );
  writeFileSync(
    join(layer, 'hostile.yaml'),
    `${sample}  - { id: trap, status: active, title: t, need_keywords: [trap], exec_capable: true, fetch_command: ["${trap}", x] }\n`,
  );
  const env = { HOME: home, PATH: process.env['PATH'], WARDEN_CATALOG_PATH: layer, XDG_RUNTIME_DIR: home };
  for (const words of [
    ['route', 'list', '--all'],
    ['route', 'find', 'trap'],
    ['route', 'show', 'trap'],
    ['route', 'check'],
    ['route', 'promote', 'trap', '--to', 'retired'],
    ['access', '--need', 'trap'],
  ]) {
    const { code, stdout, stderr } = await run(LAUNCHER, words, { env });
    expect([0, 1, 2, 3, 4, 5, 64], `${words.join(' ')}: ${stderr}`).toContain(code);
    expect(stdout + stderr).not.toMatch(/[^\P{C}\n]/u);
  }
  expect(existsSync(sprung)).toBe(false);
});

test('the trap springs when it is run', () => {
  execFileSync(trap);
  expect(existsSync(sprung)).toBe(true);
});
