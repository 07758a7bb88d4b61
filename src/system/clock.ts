/** Time as an input: whoever needs it is given a Clock, so that a test can move the daemon's clock. */

export interface Clock {
  /** Wall-clock milliseconds since the epoch. */
  now(): number;
  /** Nanoseconds since an arbitrary start; never goes back. */
  monotonicNs(): bigint;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicNs: () => process.hrtime.bigint(),
};
