import { expect, test } from 'vitest';
import { WardenError } from '../../../src/errors.ts';
import { Quotas } from '../../../src/openbao/quotas.ts';

let ms = 0;
const clock = { now: () => ms, monotonicNs: () => BigInt(ms) * 1_000_000n };
const limited = (retryAfterMs?: number) =>
  new WardenError('bao_rate_limited', 'too many', { hint: 'wait', retryAfterMs });

test('a role that was limited is left alone for the time that was named, and another is not', () => {
  const quotas = new Quotas(clock, () => 0);
  expect(quotas.limit('dev')).toBeUndefined();
  quotas.failed('dev', limited(3_000));
  expect(quotas.limit('ops')).toBeUndefined();
  // Rounded down by OpenBao to whole seconds.
  expect(quotas.limit('dev')).toMatchObject({
    leftMs: 4_000,
    error: { code: 'bao_rate_limited', message: 'too many', hint: expect.stringContaining('wait 4 s') },
  });
  ms += 3_999;
  expect(quotas.limit('dev')).toMatchObject({ leftMs: 1, error: { hint: expect.stringContaining('1 s') } });
  ms += 1;
  expect(quotas.limit('dev')).toBeUndefined();
});

test('where no time was named it is a second; those who wait do not ask together', () => {
  const quotas = new Quotas(clock, () => 0.5);
  quotas.failed('dev', limited());
  expect(quotas.limit('dev')?.leftMs).toBe(1_125);
});

test('other failures limit nothing', () => {
  const quotas = new Quotas(clock);
  quotas.failed('dev', new WardenError('bao_sealed', 'sealed'));
  expect(quotas.limit('dev')).toBeUndefined();
});
