/** The shipped catalog answers what people ask, in their words, and says so when it can't. */
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { find } from '../../../src/catalog/find/find.ts';
import { indexOf } from '../../../src/catalog/find/index-data.ts';
import { rank } from '../../../src/catalog/find/rank.ts';
import { type RouteView, viewOf } from '../../../src/catalog/route-view.ts';
import { loadRoutes } from '../../../src/catalog/routes.ts';
import { routeEntrySchema } from '../../../src/catalog/schema.ts';
import { PHRASINGS, UNSERVED } from '../../support/phrasings.ts';

const { routes } = loadRoutes({ shipped: 'catalog', layers: [], uid: undefined });
const views = routes.map(viewOf);
const index = indexOf(views);

/** Whether the lane comes first, and is the answer. */
function answers(id: string, need: string): { first: boolean; answered: boolean } {
  const [best] = rank(index, need);
  const [answer] = find(index, need, false).matches;
  return {
    first: best !== undefined && views[best.entry]?.id === id,
    answered: answer !== undefined && views[answer.entry]?.id === id,
  };
}

const all = Object.entries(PHRASINGS).flatMap(([id, needs]) => needs.map((need) => ({ id, need })));
const held = all.filter((_, number) => number % 3 === 2);
const tuned = all.filter((_, number) => number % 3 !== 2);

test.each([
  ['of the phrasings that the ranking was made with', tuned],
  ['of those that were held out', held],
])('at least 95 %% %s have their lane first', (what, phrasings) => {
  const results = phrasings.map(({ id, need }) => answers(id, need));
  const first = results.filter((result) => result.first).length;
  const answered = results.filter((result) => result.answered).length;
  process.stderr.write(
    `phrasings, ${what}: ${first} of ${results.length} first, ${answered} answered with it\n`,
  );
  expect(first / results.length).toBeGreaterThanOrEqual(0.95);
});

it('has 120 phrasings and more, for every entry but the example', () => {
  expect(all.length).toBeGreaterThanOrEqual(120);
  expect(new Set(all.map(({ need }) => need)).size).toBe(all.length);
  expect(Object.keys(PHRASINGS).sort()).toEqual(
    views
      .map(({ id }) => id)
      .filter((id) => id !== 'example-hosts')
      .sort(),
  );
});

test('what nobody serves is answered with none, and an owner who is near where one is', () => {
  expect(UNSERVED.length).toBe(40);
  const wrong = UNSERVED.flatMap(([need, owner]) => {
    const { outcome, nearest } = find(index, need, false);
    const near = nearest === undefined ? undefined : views[nearest.entry]?.owner_repo;
    return outcome === 'none' && (owner === undefined || near === owner) ? [] : [[need, outcome, near]];
  });
  expect(wrong).toEqual([]);
});

/** An index over entries that say little. */
function indexFor(...entries: readonly Readonly<Record<string, unknown>>[]) {
  const made: RouteView[] = entries.map((entry) =>
    viewOf({
      entry: routeEntrySchema.parse({ status: 'active', owner_repo: 'team', ...entry }),
      directoryOf: () => '/',
    }),
  );
  return indexOf(made);
}

const keys = indexFor(
  { id: 'billing-key', need_keywords: ['billing', 'key'] },
  { id: 'ledger-key', need_keywords: ['ledger', 'key'] },
  { id: 'archive-key', need_keywords: ['archive', 'key'], status: 'draft' },
  { id: 'fax-key', need_keywords: ['fax', 'key'], status: 'retired', replaced_by: 'billing-key' },
);

test.each([
  ['an id', 'ledger-key', 'match', [1]],
  ['one entry’s word', 'key of the ledger', 'match', [1]],
  ['a typing mistake', 'legder key', 'match', [1]],
  ['a beginning', 'bill key', 'match', [0]],
  ['a word of several', 'a key', 'ambiguous', [0, 1]],
  ['a draft', 'archive key', 'draft', [2]],
  ['the id of a draft', 'archive-key', 'draft', [2]],
  ['a retired entry', 'fax key', 'retired', [3]],
  ['nothing', 'holiday', 'none', []],
  ['an empty need', '', 'none', []],
  ['only words that say nothing', 'how do I get the', 'none', []],
  ['signs', '–… <> ""', 'none', []],
])('%s', (_what, need, outcome, entries) => {
  const found = find(keys, need, false);
  expect(found.outcome).toBe(outcome);
  const numbers = found.matches.map(({ entry }) => entry);
  expect(outcome === 'match' || outcome === 'ambiguous' ? numbers : numbers.slice(0, 1)).toEqual(entries);
});

test('every point is explained', () => {
  const [best] = rank(keys, 'legder keys');
  expect(best?.words).toEqual([
    { word: 'legder', as: 'ledger', how: 'typo', field: 'i', points: expect.closeTo(0.6, 5) },
    { word: 'keys', as: 'key', how: 'exact', field: 'i', points: expect.any(Number) },
  ]);
  expect(best?.score).toBeCloseTo(best?.words.reduce((sum, { points }) => sum + points, 0) ?? 0, 10);
});

test('one mistake anywhere but in the first letter is forgiven, whatever the word', () => {
  // No vowels and no s: Porter's algorithm leaves such words as they are.
  const word = fc.string({ unit: fc.constantFrom(...'bcdfgkpvwx'), minLength: 5, maxLength: 14 });
  const letter = fc.constantFrom(...'bcdfgkpvwx');
  fc.assert(
    fc.property(
      word,
      fc.nat(),
      letter,
      fc.constantFrom('in', 'out', 'other', 'swap'),
      (right, at, other, how) => {
        const place = 1 + (at % (right.length - 1));
        const [head, tail] = [right.slice(0, place), right.slice(place)];
        const [first = '', second = '', ...rest] = tail;
        const wrong = {
          in: head + other + tail,
          out: head + tail.slice(1),
          other: head + other + tail.slice(1),
          swap: head + second + first + rest.join(''),
        }[how];
        const only = indexFor({ id: 'lane-1', need_keywords: [right] });
        expect(rank(only, wrong)[0]?.entry, `${wrong} for ${right}`).toBe(0);
      },
    ),
  );
});

test('with --all entries out of service are among the others', () => {
  expect(find(keys, 'key', false).matches.map(({ entry }) => entry)).toEqual([0, 1]);
  expect(find(keys, 'key', true).matches.map(({ entry }) => entry)).toEqual([0, 1, 2, 3]);
});

test('a need as long as can be typed takes no longer than it must', () => {
  expect(find(index, 'token '.repeat(100_000), false).outcome).not.toBe('none');
  expect(find(index, 'x'.repeat(1_000_000), false).outcome).toBe('none');
});
