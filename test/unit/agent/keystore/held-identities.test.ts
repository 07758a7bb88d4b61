/** Identities of destination sockets: whose they are, and for how long after their connection. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { HeldIdentities, HOLD_MS } from '../../../../agent/keystore/held-identities.ts';
import type { MintedIdentity } from '../../../../agent/keystore/minted-identity.ts';
import { unboundIdentity } from '../identities.ts';

const PLINK = '/run/to/web1.sock 100:1';
const OTHER = '/run/to/web1.sock 101:1';

let ended: MintedIdentity[];
let held: HeldIdentities;
beforeEach(() => {
  vi.useFakeTimers();
  ended = [];
  held = new HeldIdentities((identity) => ended.push(identity));
});
afterEach(() => {
  vi.useRealTimers();
});

describe('an identity that is held', () => {
  test('is found by its holder alone, as certificate and as key, while its connection is open', () => {
    const identity = unboundIdentity();
    held.hold(PLINK, identity);
    vi.advanceTimersByTime(10 * HOLD_MS);
    expect(held.find(PLINK, identity.certificate)).toBe(identity);
    expect(held.find(PLINK, identity.publicKey)).toBe(identity);
    expect(held.find(OTHER, identity.certificate)).toBeUndefined();
    expect(held.find(PLINK, unboundIdentity().certificate)).toBeUndefined();
    expect(ended).toEqual([]);
  });

  test('has HOLD_MS after its connection, then is gone', () => {
    const identity = unboundIdentity();
    held.hold(PLINK, identity);
    held.release(PLINK, identity);
    vi.advanceTimersByTime(HOLD_MS - 1);
    expect(held.find(PLINK, identity.certificate)).toBe(identity);
    vi.advanceTimersByTime(1);
    expect(held.find(PLINK, identity.certificate)).toBeUndefined();
    expect(ended).toEqual([identity]);
  });

  test('goes with its connection at once when it has signed', () => {
    const identity = unboundIdentity();
    held.hold(PLINK, identity);
    identity.key.signOnce(Buffer.from('login'));
    held.release(PLINK, identity);
    expect(ended).toEqual([identity]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that was not held ends when it is released', () => {
    const identity = unboundIdentity();
    held.release(PLINK, identity);
    expect(ended).toEqual([identity]);
  });
});

describe('a further list of the holder', () => {
  test('adopts what a closed connection has left, once, and its time begins anew', () => {
    const identity = unboundIdentity();
    held.hold(PLINK, identity);
    expect(held.adopt(PLINK)).toBeUndefined();
    held.release(PLINK, identity);
    expect(held.adopt(OTHER)).toBeUndefined();
    expect(held.adopt(PLINK)).toBe(identity);
    expect(held.adopt(PLINK)).toBeUndefined();
    vi.advanceTimersByTime(10 * HOLD_MS);
    expect(ended).toEqual([]);
    held.release(PLINK, identity);
    vi.advanceTimersByTime(HOLD_MS);
    expect(ended).toEqual([identity]);
  });

  test('adopts nothing that has signed or was dropped', () => {
    const [signed, dropped] = [unboundIdentity(), unboundIdentity()];
    for (const identity of [signed, dropped]) {
      held.hold(PLINK, identity);
      held.release(PLINK, identity);
    }
    signed.key.signOnce(Buffer.from('login'));
    dropped.key.drop();
    expect(held.adopt(PLINK)).toBeUndefined();
  });
});

test('beyond so many what is released ends at once; room that was given back is room again', () => {
  const few = new HeldIdentities((identity) => ended.push(identity), 2);
  const [one, two, three] = [unboundIdentity(), unboundIdentity(), unboundIdentity()];
  for (const identity of [one, two, three]) few.hold(PLINK, identity);
  few.release(PLINK, one);
  expect(ended).toEqual([one]);
  few.release(PLINK, two);
  few.release(PLINK, three);
  expect(ended).toEqual([one]);
  expect(few.find(PLINK, three.certificate)).toBe(three);
  vi.advanceTimersByTime(HOLD_MS);
  expect(ended).toEqual([one, two, three]);
});
