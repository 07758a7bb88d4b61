/** Waivers: which finding one covers, and until when. */
import { expect, test } from 'vitest';
import { judge, type Level, type Rule } from '../../../src/posture/finding.ts';
import { type Waiver, waive } from '../../../src/posture/waivers.ts';

const rule = (id: string, level: Level = 'high'): Rule => ({ id, level, expected: 'good', todo: 'mend it' });
const found = [
  judge(rule('a'), 'host one', { wrong: ['bad'], evidence: 'f:1' }),
  judge(rule('a'), 'host two', { wrong: ['bad'], evidence: 'f:2' }),
  judge(rule('b', 'low'), 'host one', { wrong: ['so so'], evidence: 'f:3' }),
  judge(rule('c'), 'host one', { unknown: ['not seen'], look: 'look', evidence: 'f:4' }),
  judge(rule('d'), 'host one', { evidence: 'f:5' }),
];
const waiver = (id: string, subject: string, expires = '2026-11-30'): Waiver => ({
  id,
  subject,
  owner: 'ops',
  reason: 'a trial',
  expires,
  source: 'w:1',
});
const at = (time: string) => Date.parse(time);
const statuses = (waivers: readonly Waiver[], time = '2026-11-30T00:00:00Z') =>
  waive(found, waivers, at(time)).map(({ status }) => status);

test('none', () => {
  expect(statuses([])).toEqual(['fail', 'fail', 'warn', 'unknown', 'pass']);
  expect(found[3]?.remediation).toBe('look');
});

test('of one subject, of all; only what is wrong', () => {
  expect(statuses([waiver('a', 'host one')])).toEqual(['waived', 'fail', 'warn', 'unknown', 'pass']);
  expect(statuses([waiver('a', '*'), waiver('b', '*')])).toEqual([
    'waived',
    'waived',
    'waived',
    'unknown',
    'pass',
  ]);
  for (const useless of [
    waiver('c', '*'),
    waiver('d', '*'),
    waiver('a', 'host'),
    waiver('A', '*'),
    waiver('*', '*'),
  ])
    expect(statuses([useless])).toEqual(['fail', 'fail', 'warn', 'unknown', 'pass', 'warn']);
});

test('until the end of its last day, UTC', () => {
  const one = [waiver('a', 'host one')];
  expect(statuses(one, '2026-11-30T23:59:59Z')[0]).toBe('waived');
  expect(statuses(one, '2026-12-01T00:00:00Z')).toEqual(['fail', 'fail', 'warn', 'unknown', 'pass', 'warn']);
  expect(waive(found, one, at('2026-12-01T00:00:00Z')).at(-1)).toMatchObject({
    check_id: 'waiver.in_use',
    observed: 'ended on 2026-11-30',
    evidence: 'w:1',
  });
  // One that has ended does not hide one that lasts.
  expect(statuses([...one, waiver('a', '*', '2027-01-01')], '2026-12-01T00:00:00Z')[0]).toBe('waived');
});
