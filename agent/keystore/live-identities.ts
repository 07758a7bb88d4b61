/**
 * Every minted identity whose key is there, so that each can be dropped when its time is over and all of them at once. The
 * connection that an identity belongs to holds it too; whoever signs or closes takes it out here.
 */
import type { PeerCredentials } from '../../src/system/peer.ts';
import type { MintedIdentity } from './minted-identity.ts';

/** A timer of Node's takes no more milliseconds than this: with more it would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export interface LiveIdentity {
  readonly identity: MintedIdentity;
  readonly caller: PeerCredentials | undefined;
}

/**
 * How long a certificate is still good for, in milliseconds: a length, as our clock and OpenBao's may differ. Its validity begins
 * before it was made (the role's not_before_duration), so the time that was asked for is the bound unless the role gave less.
 */
export function validForMs({ lane, minted: { certificate }, at }: MintedIdentity): number {
  const length = Number(certificate.validBefore - certificate.validAfter);
  return Math.max(0, Math.min(lane.ttlSeconds, length) * 1000 - (performance.now() - at));
}

export class LiveIdentities {
  readonly #onExpired: (identity: MintedIdentity, caller: PeerCredentials | undefined) => void;
  readonly #timers = new Map<
    MintedIdentity,
    { caller: PeerCredentials | undefined; timer: NodeJS.Timeout }
  >();

  /** `onExpired` is told after an identity's key was dropped because its certificate's time is over. */
  constructor(onExpired: (identity: MintedIdentity, caller: PeerCredentials | undefined) => void) {
    this.#onExpired = onExpired;
  }

  get size(): number {
    return this.#timers.size;
  }

  add(identity: MintedIdentity, caller: PeerCredentials | undefined): void {
    const expire = () => {
      this.#timers.delete(identity);
      identity.key.drop();
      this.#onExpired(identity, caller);
    };
    const timer = setTimeout(expire, Math.min(validForMs(identity), LONGEST_TIMER_MS)).unref();
    this.#timers.set(identity, { caller, timer });
  }

  /** Takes an identity out, and leaves its key. Returns the caller that it was made for, where it was still here. */
  remove(identity: MintedIdentity): PeerCredentials | undefined {
    const found = this.#timers.get(identity);
    clearTimeout(found?.timer);
    this.#timers.delete(identity);
    return found?.caller;
  }

  /** Drops every key. Returns whose they were. */
  dropAll(): readonly LiveIdentity[] {
    const all = [...this.#timers].map(([identity, { caller }]) => ({ identity, caller }));
    for (const { identity } of all) {
      this.remove(identity);
      identity.key.drop();
    }
    return all;
  }
}
