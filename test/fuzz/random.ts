/** Numbers that look random and come again with the same seed: mulberry32 (Tommy Ettinger). Not for anything secret. */

export class Random {
  #state: number;

  /** `seed` is a uint32. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A uint32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 … n-1; 0 where n is 0. */
  below(n: number): number {
    return n <= 1 ? 0 : this.next() % n;
  }

  /** One of the items. Throws where there is none. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
