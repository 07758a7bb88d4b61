/**
 * Names that were proved before, by host key: a hashed line can't be read back, so a later bind that brings no words of
 * its own (a forwarded one) tests these. They are guesses: each is proved anew at each use, so a stale one does no harm.
 */
import type { Destination } from './destination.ts';

/** Of all keys together. */
export const MAX_PROVED_NAMES = 10_000;

/** Bounded: the keys that were bound longest ago are forgotten first. */
export class ProvedNames {
  /** By fingerprint, least recently bound first. */
  readonly #names = new Map<string, readonly string[]>();
  readonly #limit: number;
  #size = 0;

  constructor(limit: number = MAX_PROVED_NAMES) {
    this.#limit = limit;
  }

  /** Names to test for a key (`SHA256:…`). */
  of(fingerprint: string): readonly string[] {
    return this.#names.get(fingerprint) ?? [];
  }

  /** Keeps the names of a resolved destination in place of what was known of its key. */
  remember(destination: Destination): void {
    this.#forget(destination.fingerprint);
    const names = [...new Set(destination.names.map(({ name }) => name))].slice(0, this.#limit);
    if (names.length === 0) return;
    this.#names.set(destination.fingerprint, names);
    this.#size += names.length;
    for (const oldest of this.#names.keys()) {
      if (this.#size <= this.#limit) break;
      this.#forget(oldest);
    }
  }

  #forget(fingerprint: string): void {
    this.#size -= this.of(fingerprint).length;
    this.#names.delete(fingerprint);
  }
}
