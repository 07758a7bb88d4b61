/** The lattice: its rule as properties over every input, and its file. */
import '../../support/property-seed.ts';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { loadRoutes } from '../../../src/catalog/routes.ts';
import {
  canDeliver,
  type Delivery,
  ENVIRONMENTS,
  type Lattice,
  LEVELS,
  obstacles,
} from '../../../src/posture/lattice.ts';
import { readLattice } from '../../../src/posture/lattice-file.ts';
import { tempDirectory } from '../../support/temp.ts';

const uid = process.getuid?.() ?? 0;
const directory = tempDirectory();
afterAll(() => directory.remove());

const shipped = readLattice(undefined, uid);
const example = readLattice(resolve('catalog/posture/example.yaml'), uid);
const classes = [...(example.floors ?? new Map()).keys()];
const order: readonly (string | undefined)[] = LEVELS;
const rank = (id: string | undefined) => order.indexOf(id);

/** Often a real word, sometimes anything. */
const word = (known: readonly string[]) =>
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...known) }, fc.string());
const delivery: fc.Arbitrary<Delivery> = fc.record({
  environment: word(ENVIRONMENTS),
  maturity: word(LEVELS),
  requiredMaturity: word(LEVELS),
  dataClass: fc.option(word(classes), { nil: undefined }),
  from: fc.option(word(LEVELS), { nil: undefined }),
});

describe('canDeliver', () => {
  test('is the rule, word by word, for any input at all', () => {
    fc.assert(
      fc.property(delivery, (given) => {
        const { environment, maturity, requiredMaturity, dataClass, from } = given;
        const floor = dataClass === undefined ? undefined : example.floors?.get(dataClass);
        const known = [maturity, requiredMaturity, floor].every((each) => rank(each) >= 0);
        const rule =
          environment === 'prod' &&
          known &&
          rank(maturity) >= rank(requiredMaturity) &&
          rank(maturity) >= rank(floor) &&
          (from === undefined || (rank(from) >= 0 && rank(maturity) >= rank(from)));
        expect(canDeliver(example, given)).toBe(rule);
      }),
      { numRuns: 2000 },
    );
  });

  test('a more mature workload gets all that a less mature one gets', () => {
    fc.assert(
      fc.property(delivery, (given) => {
        if (!canDeliver(example, given)) return;
        for (const maturity of LEVELS.slice(rank(given.maturity)))
          expect(canDeliver(example, { ...given, maturity })).toBe(true);
      }),
    );
  });

  test('no chain of deliveries takes a secret below what it asks for', () => {
    const chain = fc.array(fc.constantFrom(...LEVELS), { minLength: 1, maxLength: 6 });
    const secret = fc.record({
      requiredMaturity: fc.constantFrom(...LEVELS),
      dataClass: fc.constantFrom(...classes),
    });
    fc.assert(
      fc.property(secret, chain, (asks, path) => {
        const steps = path.map((maturity, index) => ({
          ...asks,
          environment: 'prod',
          maturity,
          from: path[index - 1],
        }));
        if (!steps.every((step) => canDeliver(example, step))) return;
        const least = Math.max(rank(asks.requiredMaturity), rank(example.floors?.get(asks.dataClass)));
        expect(Math.min(...path.map(rank))).toBeGreaterThanOrEqual(least);
        expect(path.map(rank)).toEqual(path.map(rank).sort());
      }),
    );
  });

  test('floors that nobody has said allow nothing', () => {
    fc.assert(fc.property(delivery, (given) => void expect(canDeliver(shipped, given)).toBe(false)));
    expect(shipped.floors).toBeUndefined();
  });

  test('says all that stands in the way', () => {
    const worst = { environment: 'dev', maturity: 'M0', requiredMaturity: 'M1', from: 'M2' };
    expect(obstacles(example, { ...worst, dataClass: 'example-personal' })).toEqual([
      'not_prod',
      'below_required',
      'below_floor',
      'write_down',
    ]);
    const nothing = { environment: '', maturity: 'm1', requiredMaturity: '', dataClass: undefined };
    expect(obstacles(example, nothing)).toEqual(['unknown_environment', 'unknown_level', 'unknown_class']);
  });
});

test('no file of it is read as a catalog', () => {
  const { routes, read } = loadRoutes({ shipped: resolve('catalog'), layers: [], uid });
  expect(routes.length).toBeGreaterThan(0);
  expect(read.filter((path) => path.includes('catalog/posture'))).toEqual([]);
});

describe('its file', () => {
  const text = readFileSync('catalog/posture/example.yaml', 'utf8');
  const read = (changed: string): Lattice => readLattice(directory.write('posture.yaml', changed), uid);

  test('what ships', () => {
    expect(shipped.levels.map(({ id, rank: given }) => [id, given])).toEqual(
      LEVELS.map((id, index) => [id, index]),
    );
    expect(ENVIRONMENTS.map((name) => shipped.environments[name].realValues)).toEqual([false, false, true]);
    expect(text).toContain('EXAMPLE');
    for (const name of classes) expect(name).toMatch(/^example-/);
  });

  test.each([
    ['a rank twice', 'rank: 3', 'rank: 2', 'ranks that are not 0, 1, 2, 3'],
    ['a gap', 'rank: 3', 'rank: 4', 'ranks that are not 0, 1, 2, 3'],
    ['a level twice', 'id: M3', 'id: M2', 'each of M0, M1, M2, M3 once'],
    ['an unknown level', 'example-open: M0', 'example-open: M9', 'data_class_floor'],
    [
      'real values in test',
      'single, real_values: false',
      'single, real_values: true',
      'real values are prod',
    ],
    ['an unknown key', 'data_class_floor:', 'floors: {}\ndata_class_floor:', 'unknown key'],
  ])('%s is refused', (_what, before, after, message) => {
    expect(text).toContain(before);
    expect(() => read(text.replace(before, after))).toThrow(message);
  });

  test('one that is not there', () => {
    expect(() => readLattice('/nowhere.yaml', uid)).toThrow('there is no /nowhere.yaml');
  });
});
