/** Every command block of the documentation is run by a test, or says why not: by the comment before it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf } from '../../support/pages.ts';

const pages = [
  'README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const tests = readdirSync('test', { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => readFileSync(join('test', name), 'utf8'))
  .join('\n');

test.each(pages)('%s', (page) => {
  for (const { mark, language, text } of blocksOf(page)) {
    if (!['sh', 'console', 'bash', ''].includes(language)) continue;
    // A figure, a file.
    if (language === '' && mark === undefined) continue;
    expect(mark, text).toMatch(/^(not run: \S.+|[a-z-]+:[a-z.-]+)$/);
    if (mark?.startsWith('not run: ')) continue;
    const name = mark?.split(':')[1] ?? '';
    const used = tests.includes(`'${mark}'`) || (tests.includes(page) && tests.includes(`'${name}'`));
    expect(used, `${mark} is run by no test`).toBe(true);
  }
});
