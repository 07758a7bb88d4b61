/** Blockers by their words: a table of sentences, and what holds for any text. */
import '../../support/property-seed.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type BlockerKind, classifyBlocker } from '../../../src/posture/blocker.ts';

const SENTENCES: readonly (readonly [BlockerKind, string])[] = [
  ['double', 'the report job in test has no API key'],
  ['double', 'NPM_AUTH_TOKEN is missing on my laptop'],
  ['double', 'need the database password for development'],
  ['double', 'I need the password from prod in dev'],
  ['double', 'env=dev, llm-connect wants OPENROUTER_API_KEY'],
  ['double', 'the OpenBao in the test environment is sealed'],
  ['double', 'in test my workload is M0 and the secret wants M2'],
  ['owner_custody', 'issue-core in prod has no ISSUE_CORE_API_KEY'],
  ['owner_custody', 'publishing needs the npm token, production cluster'],
  ['owner_custody', 'need the production database password to test it'],
  ['owner_custody', 'M3 workload in prod gets permission denied'],
  ['maturity', 'our workload is M1 and the secret requires M2'],
  ['maturity', 'in prod: delivery refused, maturity too low'],
  ['maturity', 'prod refuses us, we are not mature enough'],
  ['ceremony', 'OpenBao is sealed'],
  ['ceremony', 'prod came back from a reboot and has to be unsealed'],
  ['ceremony', 'we need the Shamir key shares for the rekey'],
  ['ceremony', 'in prod the unseal keys are with the holders'],
  ['unclear', 'I have no token'],
  ['unclear', 'dev and prod disagree'],
  ['unclear', 'please test it'],
  ['unclear', 'we have to test it'],
  ['unclear', 'attestation fails, the product is late'],
  ['unclear', 'M2 is our level'],
  ['unclear', ''],
];

test.each(SENTENCES)('%s: %s', (kind, text) => {
  const { because, ...answer } = classifyBlocker(text);
  expect(answer.kind).toBe(kind);
  expect(answer.blocks).toBe(kind !== 'double');
  expect(because.length > 0).toBe(kind !== 'unclear');
  expect(answer.next).not.toBe('');
});

test('any text has an answer, which repeats nothing but words that it knows', () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom('in ', 'dev', 'prod', ' test', 'M1', ' m3 ', 'sealed', 'from ', 'maturity', '\n'),
  );
  const KNOWN = /^[a-z0-3:=\s-]{2,60}$/;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const { kind, because } = classifyBlocker(parts.join(''));
      expect(because.length === 0).toBe(kind === 'unclear');
      for (const word of because) expect(word).toMatch(KNOWN);
    }),
    { numRuns: 500 },
  );
  const secret = `hvs.${'A1'.repeat(12)}`;
  expect(JSON.stringify(classifyBlocker(`in prod ${secret} is refused`))).not.toContain(secret);
  expect(classifyBlocker(`${'x '.repeat(5000)} in prod`).kind).toBe('unclear');
});

test('where a place below prod is aimed at, nobody is sent to an owner of real values', () => {
  const filler = fc.array(
    fc.constantFrom('sealed', 'maturity', 'M0', 'M3', 'the', 'password', 'from production'),
  );
  fc.assert(
    fc.property(filler, fc.constantFrom('in dev', 'in test', 'on my laptop'), (words, where) => {
      expect(classifyBlocker(`${words.join(' ')} ${where}`).kind).toBe('double');
    }),
  );
});
