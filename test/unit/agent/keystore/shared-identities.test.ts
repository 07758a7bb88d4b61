/** Shared identities: one certificate for those who come within its time, one signature each, and when its key goes. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FreshKey } from '../../../../agent/keystore/fresh-key.ts';
import { type Issued, SharedIdentities } from '../../../../agent/keystore/shared-identities.ts';
import { issue } from '../identities.ts';

const REUSE_MS = 60_000;
const LOGIN = Buffer.from('login');

/** What was made, in its order. */
let made: Issued<FreshKey>[];
let shared: SharedIdentities;
let take: (name?: string) => Promise<Issued>;
beforeEach(() => {
  vi.useFakeTimers();
  made = [];
  shared = new SharedIdentities();
  take = (name = 'web') =>
    shared.take(name, REUSE_MS, async () => {
      const issued = issue();
      made.push(issued);
      return issued;
    });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Whether the private keys that were made are still there. */
const alive = () => made.map(({ key }) => key.alive);

describe('shares', () => {
  test('of one certificate go to all who ask meanwhile and within its time, another name has another', async () => {
    const [one, two] = await Promise.all([take(), take()]);
    vi.advanceTimersByTime(REUSE_MS - 1);
    const three = await take();
    expect(made).toHaveLength(1);
    expect(new Set([one, two, three].map(({ minted }) => minted))).toEqual(new Set([made[0]?.minted]));
    await take('db');
    expect(made).toHaveLength(2);
  });

  test('sign once each', async () => {
    const [one, two] = await Promise.all([take(), take()]);
    expect(one.key.signOnce(LOGIN)).toBeInstanceOf(Buffer);
    expect(one.key.alive).toBe(false);
    expect(() => one.key.signOnce(LOGIN)).toThrow('the share has signed');
    expect(two.key.alive).toBe(true);
    two.key.drop();
    expect(() => two.key.signOnce(LOGIN)).toThrow();
    expect((await take()).key.signOnce(LOGIN)).toBeInstanceOf(Buffer);
  });

  test('that nobody could be given: all who waited hear why, and the next one asks anew', async () => {
    const failing = () => shared.take('web', REUSE_MS, () => Promise.reject(new Error('no')));
    const outcomes = await Promise.allSettled([failing(), failing()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await take()).key.alive).toBe(true);
    expect(vi.getTimerCount()).toBe(1);
  });
});

describe('the key', () => {
  test('goes when its time is over, and the next one has another', async () => {
    (await take()).key.signOnce(LOGIN);
    expect(alive()).toEqual([true]);
    vi.advanceTimersByTime(REUSE_MS);
    expect(alive()).toEqual([false]);
    await take();
    expect(alive()).toEqual([false, true]);
  });

  test('stays for a share that is out, and goes with the last', async () => {
    const [one, two] = await Promise.all([take(), take()]);
    vi.advanceTimersByTime(REUSE_MS);
    expect(one.key.signOnce(LOGIN)).toBeInstanceOf(Buffer);
    expect(alive()).toEqual([true]);
    two.key.drop();
    expect(alive()).toEqual([false]);
  });

  test('goes at once under all shares by dropAll, and nothing is left that would wake', async () => {
    const share = await take();
    shared.dropAll();
    expect({ alive: alive(), share: share.key.alive }).toEqual({ alive: [false], share: false });
    expect(() => share.key.signOnce(LOGIN)).toThrow();
    expect(vi.getTimerCount()).toBe(0);
    expect((await take()).key.alive).toBe(true);
  });
});

describe('after close: the lanes have changed', () => {
  test('shares that are out sign, and the key goes with the last', async () => {
    const share = await take();
    shared.close();
    expect(alive()).toEqual([true]);
    expect(share.key.signOnce(LOGIN)).toBeInstanceOf(Buffer);
    expect(alive()).toEqual([false]);
  });

  test('those who wait for one get it, and it goes with the last of them', async () => {
    const waiting = [take(), take()];
    shared.close();
    for (const { key } of await Promise.all(waiting)) key.signOnce(LOGIN);
    expect({ made: made.length, alive: alive() }).toEqual({ made: 1, alive: [false] });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a login that the former lanes let in late shares with nobody', async () => {
    shared.close();
    const [one, two] = await Promise.all([take(), take()]);
    expect(one.minted).not.toBe(two.minted);
    for (const { key } of [one, two]) key.signOnce(LOGIN);
    expect(alive()).toEqual([false, false]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
