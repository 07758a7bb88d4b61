/** docs/security.md names a test for each claim: here it is held to the tests that there are. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
const references = [...page.matchAll(/`([a-z0-9/-]+\.test\.ts) › ([^`]+)`/g)].map(
  ([, file = '', title = '']) => ({ file, title }),
);

it.each(references)('$file › $title', ({ file, title }) => {
  const path = new URL(`../../${file}`, import.meta.url);
  expect(existsSync(path), `${file} is there`).toBe(true);
  const titles = [
    ...readFileSync(path, 'utf8').matchAll(
      /(?:test|it|describe)(?:\.\w+)?\(\s*(?:'([^']+)'|"([^"]+)"|`([^`]+)`)/g,
    ),
  ];
  expect(titles.map(([, single, double, back]) => single ?? double ?? back)).toContain(title);
});

it('every claim has a test, or says that it has none', () => {
  const claims = page
    .split(/\n(?=- |## )/)
    .filter((part) => part.startsWith('- '))
    .map((part) => part.replaceAll('\n', ' '));
  expect(claims.length).toBeGreaterThan(25);
  const bare = claims.filter((claim) => !/\.test\.ts › |[Nn]ot tested|not built yet/.test(claim));
  expect(bare).toEqual([]);
});
