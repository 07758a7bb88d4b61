/**
 * What outlives a connection (design.md, "Words"): which sessions have had their certificate, which session each peer process bound
 * first, and which sessions are the user's own logins. All are bounded, and kept no longer than they can matter.
 */
import type { Clock } from '../../src/system/clock.ts';
import { startTimeOf } from '../../src/system/peer.ts';

export const MAX_SESSIONS = 10_000;
export const MAX_PEERS = 10_000;
/** Logins of the user's own that may be forwarding now; the oldest are forgotten first. */
export const MAX_OWN = 10_000;

export class Register {
  readonly #clock: Clock;
  readonly #maxPeers: number;
  /** Session id (hex) → when it may be forgotten, on the monotonic clock. Insertion order is age. */
  readonly #served = new Map<string, bigint>();
  /** `pid:start time` → the first session id (hex) that the process bound. */
  readonly #peers = new Map<string, string>();
  /** Session id (hex) of a login that was seen to be the user's own → the host's names that he told his ssh. */
  readonly #own = new Map<string, readonly string[]>();

  constructor(clock: Clock, maxPeers: number = MAX_PEERS) {
    this.#clock = clock;
    this.#maxPeers = maxPeers;
  }

  /** Whether a session has had a certificate on another connection within its time to live. */
  wasServed(sessionId: Buffer): boolean {
    const until = this.#served.get(sessionId.toString('hex'));
    return until !== undefined && until > this.#clock.monotonicNs();
  }

  /** Notes that a session has had its certificate, for as long as that certificate is valid. */
  serve(sessionId: Buffer, ttlSeconds: number): void {
    const now = this.#clock.monotonicNs();
    this.#served.delete(sessionId.toString('hex'));
    for (const [id, until] of this.#served) {
      if (until > now && this.#served.size < MAX_SESSIONS) break;
      this.#served.delete(id);
    }
    this.#served.set(sessionId.toString('hex'), now + BigInt(ttlSeconds) * 1_000_000_000n);
  }

  /** Takes the note back: the mint failed, and another connection of the session may try again. */
  release(sessionId: Buffer): void {
    this.#served.delete(sessionId.toString('hex'));
  }

  /**
   * Notes a bind by a process and says whether it is the first session that this process has bound. A second session on the same
   * process is somebody else's, reaching us through a socket that the process forwards.
   */
  isFirstSession(pid: number, startTime: string, sessionId: Buffer): boolean {
    const peer = `${pid}:${startTime}`;
    const session = sessionId.toString('hex');
    const first = this.#peers.get(peer);
    if (first !== undefined) return first === session;
    if (this.#peers.size >= this.#maxPeers) this.#forgetDeadPeers();
    // Full of living processes: nobody can be told apart any more, so nobody new is direct.
    if (this.#peers.size >= this.#maxPeers) return false;
    this.#peers.set(peer, session);
    return true;
  }

  /**
   * Notes what a process has bound, the moment it does, whatever becomes of it: if that is its first session, no later one is its
   * own. An empty id stands for a session that is not known: a bind that was refused, or a list by an ssh too old to bind.
   */
  noteSession(pid: number, sessionId: Buffer = Buffer.alloc(0)): void {
    const startTime = startTimeOf(pid);
    if (startTime !== undefined) this.isFirstSession(pid, startTime, sessionId);
  }

  /** Notes that a session is the user's own login: made by an ssh of his, to the host that its words call by these names. */
  noteOwn(sessionId: Buffer, names: readonly string[]): void {
    const session = sessionId.toString('hex');
    this.#own.delete(session);
    this.#own.set(session, names);
    for (const oldest of this.#own.keys()) {
      if (this.#own.size <= MAX_OWN) break;
      this.#own.delete(oldest);
    }
  }

  /**
   * The names of the host where a session is the user's own login, so that what is bound behind it came through that host. The id is
   * known to the two ends alone: another host can't say that it is this one.
   */
  ownNames(sessionId: Buffer): readonly string[] | undefined {
    return this.#own.get(sessionId.toString('hex'));
  }

  #forgetDeadPeers(): void {
    for (const peer of this.#peers.keys()) {
      const [pid, startTime] = peer.split(':');
      if (startTimeOf(Number(pid)) !== startTime) this.#peers.delete(peer);
    }
  }
}
