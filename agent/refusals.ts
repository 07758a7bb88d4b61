/** The last refusals and failed mints, for `warden why`: in memory, the newest fifty. The trail has them all. */

import type { Refusal } from '../src/control/messages.ts';
import type { WardenError } from '../src/errors.ts';
import type { Clock } from '../src/system/clock.ts';

export const MAX_REFUSALS = 50;

export interface RefusalSubject {
  /** Every name by which the person may ask: proved names and the caller's own words. */
  readonly hosts: readonly string[];
  readonly lane?: string;
  readonly pid?: number;
}

export class Refusals {
  readonly #clock: Clock;
  readonly #last: Refusal[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(error: WardenError, subject: RefusalSubject): void {
    this.#last.push({
      time: new Date(this.#clock.now()).toISOString(),
      code: error.code,
      message: error.message,
      hint: error.hint,
      hosts: [...subject.hosts],
      ...(subject.lane === undefined ? {} : { lane: subject.lane }),
      ...(subject.pid === undefined ? {} : { pid: subject.pid }),
    });
    if (this.#last.length > MAX_REFUSALS) this.#last.shift();
  }

  /** Newest first; with `host`, only those that this name is known by, with or without a port. */
  list(host?: string): readonly Refusal[] {
    const newestFirst = [...this.#last].reverse();
    if (host === undefined) return newestFirst;
    const wanted = host.toLowerCase();
    return newestFirst.filter(({ hosts }) =>
      hosts.some((known) => {
        const name = known.toLowerCase();
        return name === wanted || name.startsWith(`[${wanted}]:`);
      }),
    );
  }
}
