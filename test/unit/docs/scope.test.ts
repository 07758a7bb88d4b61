/** INTENT.md and SCOPE.md are held to the tests that there are, and to each other. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { gapOf, missingEvidence, outOfMap, readScope } from '../../../src/gap/gap.ts';
import { run } from '../../support/process.ts';
import { LAUNCHER } from '../../support/warden.ts';

const root = resolve('.');
const intent = readFileSync('INTENT.md', 'utf8');
const scope = readFileSync('SCOPE.md', 'utf8');
const capabilities = readScope(scope);

test.each(capabilities)('$id names its evidence, and it is there', (capability) => {
  const { status, evidence } = capability;
  expect(missingEvidence(root, capability)).toEqual([]);
  // What is open has nothing to show; all else has.
  if (status === 'open') expect(evidence).toEqual([]);
  else expect(evidence.length).toBeGreaterThan(0);
  // A test that the usual run takes: it passes with this one, or the run is red.
  for (const name of evidence) {
    expect(name).toMatch(/\.test\.ts$/);
    expect(name).not.toMatch(/\.long\.test\.ts$/);
    expect(readFileSync(join('test', name), 'utf8')).toMatch(/\b(test|it)(\.\w+)*\(/);
  }
});

test('each id stands once; each capability is in the map of INTENT.md, or declared out of it', () => {
  const ids = capabilities.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)]);
  const { aims } = gapOf(intent, scope);
  const mapped = aims.flatMap(({ carriedBy }) => carriedBy.map(({ id }) => id));
  const out = outOfMap(intent);
  expect(ids.filter((id) => !mapped.includes(id) && !out.includes(id))).toEqual([]);
  expect(out.filter((id) => !ids.includes(id) || mapped.includes(id))).toEqual([]);
});

test('all six criteria and six pillars of the gap analysis are there', () => {
  const { aims } = gapOf(intent, scope);
  expect(aims.map(({ id }) => id)).toEqual([
    'C1',
    'C2',
    'C3',
    'C4',
    'C5',
    'C6',
    'P1',
    'P2',
    'P3',
    'P4',
    'P5',
    'P6',
  ]);
});

test('what is external names its checklist', () => {
  for (const { about } of capabilities.filter(({ status }) => status === 'external')) {
    const [path = ''] = /docs\/[\w/-]+\.md/.exec(about) ?? [];
    expect(existsSync(path), about).toBe(true);
  }
});

test('a gap is a gap: what is not shipped leaves its aim unmet', () => {
  const pages = (status: string) =>
    gapOf(
      '| | x | y |\n|---|---|---|\n| C1 | all | one, two |\n',
      `| id | a | s | e | o |\n|---|---|---|---|---|\n| one | x | shipped | \`a.test.ts\` | w |\n| two | x | ${status} | none | w |\n`,
    );
  expect(pages('shipped').aims[0]?.status).toBe('met');
  expect(pages('external').aims[0]?.status).toBe('partial');
  expect(pages('open').remaining.map(({ id }) => id)).toEqual(['two']);
  expect(() => pages('done')).toThrow('is no capability');
  expect(() => gapOf('| | x | y |\n|---|---|---|\n| C1 | all | three |\n', scope)).toThrow(
    'which SCOPE.md has not',
  );
});

test('warden gap says it, with evidence for each line', async () => {
  const { stdout, code } = await run(LAUNCHER, ['gap', '--json'], { env: { HOME: '/nonexistent' } });
  const said = JSON.parse(stdout);
  expect(said).toMatchObject({ missing_evidence: [], met: code === 0 });
  expect(said.aims).toHaveLength(12);
  for (const aim of said.aims) {
    const evidence = aim.carriedBy.flatMap((each: { evidence: readonly string[] }) => each.evidence);
    expect(evidence.length).toBeGreaterThan(0);
  }
});
