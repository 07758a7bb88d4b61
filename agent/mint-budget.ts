/**
 * How many certificates a user may have made and not used: somebody who mints in a loop without logging in fills the trail and
 * OpenBao's, and would have a heap of certificates. Those that sign are logins and cost nothing here, however many there are.
 */
import { WardenError } from '../src/errors.ts';
import type { Clock } from '../src/system/clock.ts';

/** In any window of WINDOW_MS. */
export const MAX_UNUSED = 30;
export const WINDOW_MS = 60_000;

/** Whose budget it is. What comes through a forwarded agent has one of its own: the far side can't spend the user's. */
export interface Spender {
  readonly uid: number;
  readonly forwarded: boolean;
}

function nameOf({ uid, forwarded }: Spender): string {
  return forwarded ? `what is forwarded for user ${uid}` : `user ${uid}`;
}

export class MintBudget {
  readonly #clock: Clock;
  /** Spender → when the last MAX_UNUSED unused certificates ended, on the monotonic clock; only ourselves and root may connect. */
  readonly #unused = new Map<string, bigint[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Says that a certificate ended without a signature. */
  noteUnused(spender: Spender): void {
    const name = nameOf(spender);
    const times = this.#unused.get(name) ?? [];
    times.push(this.#clock.monotonicNs());
    if (times.length > MAX_UNUSED) times.shift();
    this.#unused.set(name, times);
  }

  /** Whether `spender` has let MAX_UNUSED certificates go unused within the last WINDOW_MS. */
  isSpent(spender: Spender): boolean {
    const name = nameOf(spender);
    const since = this.#clock.monotonicNs() - BigInt(WINDOW_MS) * 1_000_000n;
    const times = this.#unused.get(name)?.filter((time) => time > since) ?? [];
    if (times.length === 0) this.#unused.delete(name);
    else this.#unused.set(name, times);
    return times.length >= MAX_UNUSED;
  }

  refusal(spender: Spender): WardenError {
    return new WardenError(
      'rate_limited',
      `${nameOf(spender)} let ${MAX_UNUSED} certificates go unused within a minute`,
      {
        hint: 'what asks for certificates and does not log in? warden activity; it works again after a minute',
      },
    );
  }
}
