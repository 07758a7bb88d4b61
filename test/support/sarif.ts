/** SARIF 2.1.0's JSON Schema (OASIS; as the npm package @microsoft/jest-sarif 1.0.0-beta.0, MIT, carries it) as a check for tests. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import * as z from 'zod';

const text = readFileSync(new URL('schemas/sarif-2.1.0-rtm.5.json', import.meta.url), 'utf8');
// zod takes a reference for a whole URL; which characters one has is put back as a pattern (RFC 3986, 2).
const REFERENCE = String.raw`^(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*$`;
const reference = `"pattern": ${JSON.stringify(REFERENCE)}`;
const schema = z.fromJSONSchema(JSON.parse(text.replaceAll('"format": "uri-reference"', () => reference)));

/** What is wrong with `log` by the schema; an empty text: nothing. */
export function sarifProblems(log: unknown): string {
  const result = schema.safeParse(log);
  return result.success ? '' : z.prettifyError(result.error);
}

/** Fails the test where `log` is no SARIF. */
export function expectSarif(log: unknown): void {
  expect(sarifProblems(log)).toBe('');
}
