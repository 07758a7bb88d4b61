/**
 * Identities of destination sockets, for clients that list on one connection and sign on another (PuTTY, JSch). Without a bind nothing
 * ties an identity to a connection: it belongs to the socket and the calling process, and outlives its connection by HOLD_MS.
 */
import type { MintedIdentity } from './minted-identity.ts';

/** Between the answer to a list and the sign request lies one round trip to the server. */
export const HOLD_MS = 10_000;
/** Of all callers together. The mint budget bounds them by the minute; this is for clients that use many. */
const MAX_HELD = 10_000;

export class HeldIdentities {
  /** Holder → its identities, each with the timer that runs since its connection has closed. */
  readonly #held = new Map<string, Map<MintedIdentity, NodeJS.Timeout | undefined>>();
  readonly #onEnd: (identity: MintedIdentity) => void;
  readonly #most: number;
  #size = 0;

  /** `onEnd` is told of an identity that nobody came for. `most` are held for whoever may still come. */
  constructor(onEnd: (identity: MintedIdentity) => void, most: number = MAX_HELD) {
    this.#onEnd = onEnd;
    this.#most = most;
  }

  /** Holds an identity for its holder as long as its connection is open. */
  hold(holder: string, identity: MintedIdentity): void {
    const identities = this.#held.get(holder) ?? new Map<MintedIdentity, NodeJS.Timeout | undefined>();
    this.#held.set(holder, identities);
    if (!identities.has(identity)) this.#size += 1;
    clearTimeout(identities.get(identity));
    identities.set(identity, undefined);
  }

  /** The holder's identity that a sign request's key field means. */
  find(holder: string, key: Buffer): MintedIdentity | undefined {
    return [...(this.#held.get(holder)?.keys() ?? [])].find((identity) => identity.isMeantBy(key));
  }

  /** An identity of the holder's whose connection has closed and which is still to be used; it is the asking connection's from now on. */
  adopt(holder: string): MintedIdentity | undefined {
    for (const [identity, timer] of this.#held.get(holder) ?? []) {
      if (timer === undefined || !identity.key.alive) continue;
      this.hold(holder, identity);
      return identity;
    }
    return undefined;
  }

  /** Says that the identity's connection has closed: it has HOLD_MS from now. */
  release(holder: string, identity: MintedIdentity): void {
    const identities = this.#held.get(holder);
    if (identities?.has(identity) !== true) this.#onEnd(identity);
    else if (!identity.key.alive || this.#size > this.#most) this.#end(holder, identity);
    else identities.set(identity, setTimeout(() => this.#end(holder, identity), HOLD_MS).unref());
  }

  #end(holder: string, identity: MintedIdentity): void {
    const identities = this.#held.get(holder);
    if (identities === undefined) return;
    clearTimeout(identities.get(identity));
    if (identities.delete(identity)) this.#size -= 1;
    if (identities.size === 0) this.#held.delete(holder);
    this.#onEnd(identity);
  }
}
