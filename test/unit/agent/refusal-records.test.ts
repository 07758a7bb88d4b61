import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BURST, RefusalRecords } from '../../../agent/refusal-records.ts';

const MINUTE = 60_000;
let told: string[];
let records: RefusalRecords;
/** How many of `count` refusals are written. */
let written: (count: number, code?: string, uid?: number) => number;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  const clock = { now: () => Date.now(), monotonicNs: () => BigInt(Date.now()) * 1_000_000n };
  records = new RefusalRecords(clock, (uid, message) => told.push(`${uid}: ${message}`));
  written = (count, code = 'malformed', uid = 1000) =>
    Array.from({ length: count }, () => records.admit(uid, code)).filter(Boolean).length;
});
afterEach(() => {
  vi.useRealTimers();
});

test('a burst is written whole, what follows is counted, for each user by itself', () => {
  expect(written(BURST + 200)).toBe(BURST);
  expect(written(5, 'no_lane')).toBe(0);
  expect(written(BURST, 'malformed', 0)).toBe(BURST);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(MINUTE);
  expect(told).toEqual(['1000: 205 more refusals, not written one by one: 200 malformed, 5 no_lane']);
});

test('in the long run thirty a minute are written, and one record says how many more', () => {
  written(BURST);
  let whole = 0;
  for (let second = 0; second < 600; second += 1) {
    vi.advanceTimersByTime(1000);
    whole += written(100);
  }
  expect(whole).toBe(300);
  expect(told.length).toBe(9);
  records.close();
  const counted = told.map((line) => Number(/: (\d+) more/.exec(line)?.[1])).reduce((sum, n) => sum + n, 0);
  expect(whole + counted).toBe(600 * 100);
});

test('after a quiet time the burst is whole again, and no more than that', () => {
  written(BURST + 1);
  vi.advanceTimersByTime(60 * MINUTE);
  expect(told).toHaveLength(1);
  expect(written(2 * BURST)).toBe(BURST);
});

test('nothing counted, nothing told', () => {
  written(BURST);
  vi.advanceTimersByTime(60 * MINUTE);
  records.close();
  expect(told).toEqual([]);
});
