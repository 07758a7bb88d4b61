import { expect, it } from 'vitest';
import { findEach } from './corruptions.ts';

it('100,000 random changes of a trail of many files are each found', { timeout: 3_600_000 }, async () => {
  expect(await findEach(10_000, 100_000)).toBeLessThan(5_000);
});
