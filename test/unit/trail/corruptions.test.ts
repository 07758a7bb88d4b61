import { expect, it } from 'vitest';
import { findEach } from './corruptions.ts';

it('2,000 random changes of a trail of many files are each found', { timeout: 180_000 }, async () => {
  // Bytes of a packed file's head that say nothing of its lines.
  expect(await findEach(0, 2_000)).toBeLessThan(100);
});
