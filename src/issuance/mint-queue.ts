/**
 * The order of mints: so many at a time, the others wait in the order of their coming, each no longer than it can matter. A thousand
 * tunnels that come back at once neither fall over OpenBao together nor make a login's own deadline run while it has not begun.
 */
import { WardenError } from '../errors.ts';

/** OpenBao on two cores is busy with fewer; more only make each of them slower. */
export const MAX_UNDER_WAY = 32;
export const MAX_WAITING = 4_096;
/** sshd's LoginGraceTime is 120 s, and the mint and the login come after the wait. */
export const WAIT_DEADLINE_MS = 60_000;

interface Limits {
  readonly underWay: number;
  readonly waiting: number;
  readonly deadlineMs: number;
}

interface Waiting {
  begin(): void;
}

export class MintQueue {
  readonly #limits: Limits;
  /** Insertion order is the order of coming. */
  readonly #waiting = new Set<Waiting>();
  #underWay = 0;

  constructor(limits: Partial<Limits> = {}) {
    const usual = { underWay: MAX_UNDER_WAY, waiting: MAX_WAITING, deadlineMs: WAIT_DEADLINE_MS };
    this.#limits = { ...usual, ...limits };
  }

  /** Runs `task` when its turn comes. Throws `mint_busy` where too many wait or it has waited too long, and what `task` throws. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#limits.underWay) await this.#turn();
    else this.#underWay += 1;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  #turn(): Promise<void> {
    const { waiting, deadlineMs } = this.#limits;
    if (this.#waiting.size >= waiting)
      return Promise.reject(busy(`${waiting} logins wait for OpenBao already`));
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        begin: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(entry);
        reject(busy(`the login waited ${deadlineMs} ms for its turn at OpenBao`));
      }, deadlineMs);
      this.#waiting.add(entry);
    });
  }

  /** Hands the place of a mint that has ended to the one that has waited longest. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#underWay -= 1;
      return;
    }
    this.#waiting.delete(first);
    first.begin();
  }
}

function busy(message: string): WardenError {
  return new WardenError('mint_busy', message, {
    hint: 'try again in a moment; a lane with reuse lets logins to one host share a certificate',
  });
}
