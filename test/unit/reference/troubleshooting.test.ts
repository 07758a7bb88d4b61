import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_CODE_NAMES } from '../../../src/errors.ts';
import { countMade, messagesIn } from '../../../src/reference/messages.ts';
import { troubleshootingPage } from '../../../src/reference/troubleshooting.ts';

const paths = ['src', 'agent']
  .flatMap((room) => readdirSync(room, { recursive: true }).map((name) => join(room, String(name))))
  .filter((path) => path.endsWith('.ts'))
  .sort();
const sources = new Map(paths.map((path) => [path, readFileSync(path, 'utf8')]));
const page = readFileSync('docs/troubleshooting.md', 'utf8');

test('docs/troubleshooting.md is what the code says (else: node scripts/docs.mjs)', () => {
  expect(page).toBe(troubleshootingPage([...sources.values()], readFileSync('scripts/warden', 'utf8')));
});

test('no error is made in a way that the page misses', () => {
  for (const [path, text] of sources) {
    if (path.startsWith('src/reference/')) continue;
    const found = messagesIn(text).length;
    expect(found, path).toBeGreaterThanOrEqual(countMade(text));
  }
});

test('every code has a cause and a cure', () => {
  for (const code of ERROR_CODE_NAMES)
    expect(page, code).toMatch(new RegExp(`^## \`${code}\` \\(\\d+\\)\n\n\\S.* \\*\\*\\S.*\\*\\*$`, 'm'));
});

test.each([
  ["new WardenError('no_lane', 'plain')", [{ code: 'no_lane', text: 'plain' }]],
  [
    "new WardenError(\n  'no_lane',\n  `a $<x> b $<y ? `in $<z>` : '}'> c`,\n)",
    [{ code: 'no_lane', text: 'a … b … c' }],
  ],
  [
    "throw refuse('config_invalid', path, 'is not a file')",
    [{ code: 'config_invalid', text: 'is not a file' }],
  ],
  ['new WardenError(code, `got $<status>`)', [{ code: undefined, text: 'got …' }]],
  ["new WardenError('no_lane', message)", [{ code: 'no_lane', text: undefined }]],
  ["refuse('something else', 'text')", []],
])('%s', (source, found) => {
  // As ${…}, which the linter takes for a mistake in an ordinary string.
  expect(messagesIn(source.replaceAll('$<', `$${'{'}`).replaceAll('>', '}'))).toEqual(found);
});
