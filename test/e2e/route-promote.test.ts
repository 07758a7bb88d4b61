/** An entry's way from draft to retired, with real programs as the owner's tool. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { run } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const home = tempDirectory('pro-');
const env = {
  HOME: home.path,
  XDG_RUNTIME_DIR: home.path,
  PATH: `${home.join('bin')}:${process.env['PATH']}`,
};
const cli = (...words: string[]) => run(LAUNCHER, words, { env });
const file = home.join('.config/warden/catalog/ours.yaml');
const CANARY = 'canary-d41d8cd98f00b204';
const today = new Date().toISOString().slice(0, 10);

const ENTRY = `# Ours. Comments stay.
entries:
  - id: fax
    title: Fax   # aligned
    need_keywords: [fax]
    owner_repo: office
    status: draft # for now
    reviewed: ${today}
    wiki_ref: fax.md#asking
    exec_capable: true
    fetch_command: [fax-tool, allow]
    promotion:
      sign_off: fax.md#signed
      probe: [fax-tool, probe]
      allowed: [fax-tool, allow]
      denied: [fax-tool, deny]
`;

const resultSchema = z.object({
  from: z.string(),
  to: z.string(),
  checks: z.array(z.object({ check_id: z.string(), status: z.string() })),
  evidence: z.string().nullable(),
  changed: z.string().nullable(),
});

async function promote(...words: string[]) {
  const { code, stdout, stderr } = await cli('route', 'promote', 'fax', '--json', ...words);
  const { checks, ...rest } = resultSchema.parse(JSON.parse(stdout));
  const bad = checks
    .filter(({ status }) => status !== 'pass')
    .map(({ check_id, status }) => `${check_id} ${status}`);
  return { code, stderr, bad, ...rest };
}

beforeEach(() => {
  for (const path of ['bin', '.config/warden/catalog'])
    mkdirSync(home.join(path), { recursive: true, mode: 0o700 });
  home.write('.config/warden/catalog/fax.md', '# Fax\n\n## Asking\n\n## Signed\n');
  home.write(
    'bin/fax-tool',
    `#!/bin/sh\nprintf '%s\\n' "$@" >>"$HOME/ran"\necho ${CANARY}\necho ${CANARY} >&2\ncase $1 in deny) exit 7 ;; esac\n`,
    0o700,
  );
  writeFileSync(file, ENTRY, { mode: 0o600 });
});
afterAll(() => home.remove());

test('draft, ready, active: the step is taken when all is so, and only the status changes', async () => {
  const ready = await promote();
  expect(ready).toMatchObject({ code: 0, bad: [], from: 'draft', to: 'ready', changed: file });
  expect(readFileSync(file, 'utf8')).toBe(ENTRY.replace('status: draft #', 'status: ready #'));
  expect((await cli('route', 'find', 'fax')).code).toBe(4);

  const looked = await promote();
  expect(looked).toMatchObject({ code: 2, to: 'active', evidence: null, changed: null });
  expect(looked.bad).toEqual(['probe.passes unknown', 'run.allowed unknown', 'run.denied unknown']);
  expect(existsSync(home.join('ran'))).toBe(false);

  const active = await promote('--run');
  expect(active).toMatchObject({ code: 0, bad: [], from: 'ready', to: 'active' });
  expect(readFileSync(home.join('ran'), 'utf8')).toBe('probe\nallow\ndeny\n');
  expect(readFileSync(file, 'utf8')).toBe(ENTRY.replace('status: draft #', 'status: active #'));
  expect((await cli('route', 'find', 'fax')).code).toBe(0);

  const note = readFileSync(active.evidence ?? '', 'utf8');
  const recorded: unknown = JSON.parse(note.slice(0, note.indexOf('\n\n')));
  expect(recorded).toMatchObject({
    kind: 'route-promotion',
    id: 'fax',
    from: 'ready',
    to: 'active',
    sign_off: 'fax.md#signed',
    runs: [
      { argv: ['fax-tool', 'probe'], program: home.join('bin/fax-tool'), exit: 0 },
      { argv: ['fax-tool', 'allow'], exit: 0 },
      { argv: ['fax-tool', 'deny'], exit: 7 },
    ],
  });
  // What the owner's tool printed is nowhere.
  const written = readdirSync(home.path, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && each.name !== 'fax-tool')
    .map((each) => readFileSync(`${each.parentPath}/${each.name}`, 'utf8'));
  expect(`${written.join('')}${active.stderr}`).not.toContain(CANARY);
  expect(await cli('audit', 'verify', '--evidence', active.evidence ?? '')).toMatchObject({ code: 0 });
  writeFileSync(active.evidence ?? '', note.replace('"exit": 7', '"exit": 1'));
  expect(await cli('audit', 'verify', '--evidence', active.evidence ?? '')).toMatchObject({ code: 65 });

  expect(await cli('route', 'promote', 'fax')).toMatchObject({ code: 64, stdout: '' });
  expect((await promote('--to', 'retired')).bad).toEqual(['retirement.explained fail']);
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace('    title', '    retired_reason: nobody faxes\n    title'),
  );
  expect(await promote('--to', 'retired')).toMatchObject({ code: 0, bad: [], to: 'retired' });
  expect((await cli('route', 'find', 'fax')).code).toBe(5);
});

test.each<[string, string, string, string[]]>([
  ['no owner', 'owner_repo: office', 'subsystem: x', ['entry.valid fail', 'owner.named fail']],
  ['no page', 'fax.md#asking', 'gone.md', ['entry.valid fail', 'documents.resolve fail']],
  ['an old review', today, '2020-01-01', ['review.dated fail']],
  ['no sign-off', 'sign_off: fax.md#signed', 'sign_off: fax.md#no', ['owner.sign_off fail']],
  ['no program', 'fetch_command: [fax-tool', 'fetch_command: [no-tool', ['program.present fail']],
  ['a probe that fails', '[fax-tool, probe]', '[fax-tool, deny]', ['probe.passes fail']],
  ['a denial that is none', '[fax-tool, deny]', '[fax-tool, allow]', ['run.denied fail']],
  [
    'a denial by a program that is not there',
    '[fax-tool, deny]',
    '[no-tool]',
    ['program.present fail', 'run.denied unknown'],
  ],
  [
    'an allowed run that is denied',
    '      allowed: [fax-tool, allow]',
    '      allowed: [fax-tool, deny]',
    ['run.allowed fail'],
  ],
])('%s keeps it from being active', async (_what, from, to, bad) => {
  const text = ENTRY.replace('status: draft', 'status: ready').replace(from, to);
  writeFileSync(file, text);
  const result = await promote('--run');
  expect(result).toMatchObject({ code: 1, evidence: null, changed: null, bad });
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test('an entry of the shipped catalog is not changed: what to write is printed', async () => {
  const { code, stdout } = await cli('route', 'promote', 'object-storage-sts');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /write into a layer of yours:\nentries:\n {2}- id: object-storage-sts\n {4}status: ready\n$/,
  );
  expect(await cli('route', 'promote', 'nothing')).toMatchObject({ code: 64, stdout: '' });
  expect(await cli('route', 'promote', 'fax', '--to', 'draft')).toMatchObject({ code: 64, stdout: '' });
});
