/** docs/trail.md has every event that warden writes, with its code, and no other. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EVENTS } from '../../../src/trail/record.ts';

it('the table of events is what the code writes', () => {
  const page = readFileSync(new URL('../../../docs/trail.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z._]+)` \| (W\d{4}) \|/gm)].map(([, event, code]) => [
    event,
    code,
  ]);
  expect(Object.fromEntries(rows)).toEqual(EVENTS);
  // A number is one event's for ever.
  expect(new Set(Object.values(EVENTS)).size).toBe(Object.keys(EVENTS).length);
});
