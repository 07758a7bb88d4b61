import { expect, test } from 'vitest';
import { MAX_UNUSED, MintBudget, WINDOW_MS } from '../../../agent/mint-budget.ts';

const OWN = { uid: 1000, forwarded: false };

function budgetAt() {
  let ms = 0;
  const clock = { now: () => 0, monotonicNs: () => BigInt(ms) * 1_000_000n };
  const budget = new MintBudget(clock);
  return {
    budget,
    advance: (by: number) => {
      ms += by;
    },
    spend: (uid: number, count: number, forwarded = false) => {
      for (let n = 0; n < count; n += 1) budget.noteUnused({ uid, forwarded });
    },
  };
}

test('is spent by the thirtieth, and only for that user', () => {
  const { budget, spend } = budgetAt();
  spend(1000, MAX_UNUSED - 1);
  expect(budget.isSpent(OWN)).toBe(false);
  spend(1000, 1);
  expect(budget.isSpent(OWN)).toBe(true);
  expect(budget.isSpent({ uid: 0, forwarded: false })).toBe(false);
});

test('what comes through a forwarded agent has a budget of its own', () => {
  const { budget, spend } = budgetAt();
  spend(1000, MAX_UNUSED, true);
  expect(budget.isSpent({ uid: 1000, forwarded: true })).toBe(true);
  expect(budget.isSpent(OWN)).toBe(false);
});

test('comes back as each one gets a minute old, not before', () => {
  const { budget, advance, spend } = budgetAt();
  spend(1000, 10);
  advance(WINDOW_MS / 2);
  spend(1000, MAX_UNUSED - 10);
  advance(WINDOW_MS / 2 - 1);
  expect(budget.isSpent(OWN)).toBe(true);
  advance(1);
  expect(budget.isSpent(OWN)).toBe(false);
  spend(1000, 9);
  expect(budget.isSpent(OWN)).toBe(false);
  spend(1000, 1);
  expect(budget.isSpent(OWN)).toBe(true);
});

test('counts the newest when more end at once than are allowed', () => {
  const { budget, advance, spend } = budgetAt();
  spend(1000, MAX_UNUSED);
  advance(WINDOW_MS - 1);
  spend(1000, MAX_UNUSED);
  advance(1);
  expect(budget.isSpent(OWN)).toBe(true);
});

test('the refusal says whose and what to do', () => {
  const { budget } = budgetAt();
  expect(budget.refusal(OWN)).toMatchObject({
    code: 'rate_limited',
    exit: 75,
    message: expect.stringContaining('user 1000'),
    hint: expect.stringContaining('after a minute'),
  });
});
