/** The one writer of SARIF, by SARIF's own schema; and that the schema says no. */
import { expect, test } from 'vitest';
import { sarifLog } from '../../../src/checks/sarif.ts';
import { sarifProblems } from '../../support/sarif.ts';

const log = () =>
  sarifLog(
    'warden test',
    '1.0.0',
    ['a.b', 'a.b', 'c'],
    [
      { rule: 'a.b', severity: 'critical', text: 'bad', source: 'dir/a file:7' },
      { rule: 'c', severity: 'low', text: 'so so', source: 'openbao ssh/roles/x', accepted: 'until June' },
      { rule: 'c', severity: 'unknown', text: '', source: '%:"<>\\^`{|}' },
    ],
  );

test('is SARIF, whatever the names of places are', () => {
  expect(sarifProblems(log())).toBe('');
  expect(sarifProblems(sarifLog('warden test', '1', [], []))).toBe('');
  expect(log().runs[0]?.results[0]).toMatchObject({
    level: 'error',
    locations: [
      { physicalLocation: { artifactLocation: { uri: 'dir/a%20file' }, region: { startLine: 7 } } },
    ],
  });
  expect(log().runs[0]?.tool.driver.rules).toEqual([{ id: 'a.b' }, { id: 'c' }]);
});

test.each([
  ['another version', '"version":"2.1.0"', '"version":"2.0.0"'],
  ['an unknown level', '"level":"error"', '"level":"critical"'],
  ['an unknown field', '"ruleId":"a.b"', '"ruleId":"a.b","severity":"high"'],
  ['a line of nought', '"startLine":7', '"startLine":0'],
  ['a blank in a place', 'dir/a%20file', 'dir/a file'],
  ['no message', '"message":{"text":"bad"},', ''],
  ['another kind of suppression', '"kind":"external"', '"kind":"waived"'],
])('the schema refuses %s', (_what, before, after) => {
  const text = JSON.stringify(log());
  expect(text).toContain(before);
  expect(sarifProblems(JSON.parse(text.replace(before, after)))).not.toBe('');
});
