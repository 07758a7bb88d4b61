/**
 * OpenBao's rate limit quotas (its documentation, "Rate limit quotas"; RFC 9110, section 10.2.3): a role that was refused with 429 is not
 * asked for again before the time that the answer named, and who can wait so long waits. Left out: renewals in the background, which
 * have growing pauses of their own.
 */
import { WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';

/** OpenBao rounds down to whole seconds, and names none where its operator has not asked it to: a quota's usual interval is a second. */
const ROUNDED_MS = 1_000;
/** A share of the wait, so that those who waited together do not ask together. */
const JITTER = 0.25;

export interface Limit {
  readonly leftMs: number;
  readonly error: WardenError;
}

export class Quotas {
  readonly #clock: Clock;
  readonly #random: () => number;
  /** By role: those of the configuration. */
  readonly #until = new Map<string, { readonly ns: bigint; readonly cause: WardenError }>();

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Tells of a refusal; only `bao_rate_limited` counts. */
  failed(role: string, error: WardenError): void {
    if (error.code !== 'bao_rate_limited') return;
    const ms = (error.retryAfterMs ?? 0) + ROUNDED_MS;
    this.#until.set(role, { ns: this.#clock.monotonicNs() + BigInt(ms) * 1_000_000n, cause: error });
  }

  /** How long the role is not to be asked for, and what to say to who does not wait. Undefined: it may be asked for. */
  limit(role: string): Limit | undefined {
    const until = this.#until.get(role);
    if (until === undefined) return undefined;
    const left = Number(until.ns - this.#clock.monotonicNs()) / 1e6;
    if (left <= 0) {
      this.#until.delete(role);
      return undefined;
    }
    const { message } = until.cause;
    const hint = `a rate limit quota of OpenBao: wait ${Math.ceil(left / 1_000)} s, or ask its operator`;
    return {
      leftMs: left * (1 + JITTER * this.#random()),
      error: new WardenError('bao_rate_limited', message, { hint, cause: until.cause }),
    };
  }
}
