/**
 * How many certificates a user may have made and not used: somebody who mints in a loop without logging in fills the trail and
 * OpenBao's, and would have a heap of certificates. Those that sign are logins and cost nothing here, however many there are.
 */
import { WardenError } from '../src/errors.ts';
import type { Clock } from '../src/system/clock.ts';

/** In any window of WINDOW_MS. */
export const MAX_UNUSED = 30;
export const WINDOW_MS = 60_000;

export class MintBudget {
  readonly #clock: Clock;
  /** User id → when the last MAX_UNUSED unused certificates ended, on the monotonic clock; only ourselves and root may connect. */
  readonly #unused = new Map<number, bigint[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Says that a certificate of user `uid` ended without a signature. */
  noteUnused(uid: number): void {
    const times = this.#unused.get(uid) ?? [];
    times.push(this.#clock.monotonicNs());
    if (times.length > MAX_UNUSED) times.shift();
    this.#unused.set(uid, times);
  }

  /** Whether user `uid` has let MAX_UNUSED certificates go unused within the last WINDOW_MS. */
  isSpent(uid: number): boolean {
    const since = this.#clock.monotonicNs() - BigInt(WINDOW_MS) * 1_000_000n;
    const times = this.#unused.get(uid)?.filter((time) => time > since) ?? [];
    if (times.length === 0) this.#unused.delete(uid);
    else this.#unused.set(uid, times);
    return times.length >= MAX_UNUSED;
  }

  refusal(uid: number): WardenError {
    return new WardenError(
      'rate_limited',
      `user ${uid} let ${MAX_UNUSED} certificates go unused within a minute`,
      {
        hint: 'what asks for certificates and does not log in? warden activity; it works again after a minute',
      },
    );
  }
}
