/**
 * Shared identities (a lane's `reuse`): one certificate and its key for all logins of one caller to one destination within a while,
 * so that a thousand tunnels that come back at once cost one call of the CA. Each login still gets one signature, for its own bound
 * session: what a connection holds is a share that signs once.
 */
import { LEFT_AFTER_REUSE_MS } from '../../src/catalog/lane-from-entry.ts';
import type { Minted } from '../../src/issuance/mint.ts';
import type { FreshKey, LoginKey } from './fresh-key.ts';

/** A certificate with the key that it is for. */
export interface Issued<Key extends LoginKey = LoginKey> {
  readonly minted: Minted;
  readonly key: Key;
  /** When it was made, as `performance.now()` counts. */
  readonly at: number;
}

/** One certificate, while it is being made and while it is shared. */
class Shared {
  readonly issued: Promise<Issued<FreshKey>>;
  #key: FreshKey | undefined;
  #shares = 0;
  #closed = false;
  timer: NodeJS.Timeout | undefined;

  constructor(issued: Promise<Issued<FreshKey>>) {
    this.issued = issued;
  }

  share(key: FreshKey): LoginKey {
    this.#key = key;
    this.#shares += 1;
    return new Share(key, () => {
      this.#shares -= 1;
      this.#dropIfDone();
    });
  }

  /** Gives no more shares away; the key goes with the last that is out. */
  close(): void {
    clearTimeout(this.timer);
    this.#closed = true;
    this.#dropIfDone();
  }

  /** Drops the key under all shares. */
  drop(): void {
    this.#key?.drop();
    this.close();
  }

  #dropIfDone(): void {
    if (!this.#closed || (this.#shares > 0 && this.#key?.alive === true)) return;
    this.#key?.drop();
    this.#key = undefined;
  }
}

/** One login's part of a shared key: alive as long as that key is, until it has signed. */
class Share implements LoginKey {
  readonly #key: FreshKey;
  readonly #onSpent: () => void;
  #spent = false;

  constructor(key: FreshKey, onSpent: () => void) {
    this.#key = key;
    this.#onSpent = onSpent;
  }

  get publicKey(): Buffer {
    return this.#key.publicKey;
  }

  get alive(): boolean {
    return !this.#spent && this.#key.alive;
  }

  signOnce(data: Buffer): Buffer {
    if (this.#spent) throw new Error('the share has signed');
    const signature = this.#key.sign(data);
    this.drop();
    return signature;
  }

  drop(): void {
    if (this.#spent) return;
    this.#spent = true;
    this.#onSpent();
  }
}

export class SharedIdentities {
  readonly #shared = new Map<string, Shared>();
  #closed = false;

  /**
   * A share of what is kept under `name`, which `issue` makes where there is none; several that ask meanwhile wait for the same one.
   * Shares are given for `reuseMs` from when it was made. Throws what `issue` throws, to all who waited.
   */
  async take(name: string, reuseMs: number, issue: () => Promise<Issued<FreshKey>>): Promise<Issued> {
    const shared = this.#shared.get(name) ?? this.#issue(name, reuseMs, issue);
    const issued = await shared.issued;
    return { ...issued, key: shared.share(issued.key) };
  }

  #issue(name: string, reuseMs: number, issue: () => Promise<Issued<FreshKey>>): Shared {
    const shared = new Shared(issue());
    const forget = () => {
      if (this.#shared.get(name) === shared) this.#shared.delete(name);
    };
    const end = () => {
      forget();
      shared.close();
    };
    if (this.#closed) shared.close();
    else this.#shared.set(name, shared);
    shared.issued.then(({ minted }) => {
      // The gate may have allowed less time than the lane has.
      const usableMs = Math.max(0, minted.ttlSeconds * 1000 - LEFT_AFTER_REUSE_MS);
      if (this.#shared.get(name) === shared)
        shared.timer = setTimeout(end, Math.min(reuseMs, usableMs)).unref();
    }, forget);
    return shared;
  }

  /**
   * Nothing is shared any more: the lanes have changed. Shares that are out stay, and a login that the former lanes have let in and that
   * asks only now gets a certificate of its own.
   */
  close(): void {
    this.#closed = true;
    for (const shared of this.#shared.values()) shared.close();
    this.#shared.clear();
  }

  /** Drops every shared key; shares of it are dead with it. */
  dropAll(): void {
    for (const shared of this.#shared.values()) shared.drop();
    this.#shared.clear();
  }
}
