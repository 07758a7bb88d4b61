/** What is known about a login attempt, filled in as far as it got: for the trail, `warden why` and the caller's terminal. */
import type { Lane } from '../../src/catalog/lane.ts';
import type { CallerWords, Destination } from '../../src/destination/destination.ts';
import type { PeerCredentials, ProcessInfo } from '../../src/system/peer.ts';
import type { Binding } from './binding.ts';
import type { SocketScope } from './socket-scope.ts';

export interface Attempt {
  process: ProcessInfo | undefined;
  words: CallerWords;
  destination: Destination | undefined;
  lane: Lane | undefined;
  forwarded: boolean;
}

/** Words of a caller that has said nothing, or whose words say nothing here. */
export const NO_WORDS: CallerWords = { candidates: [], told: [], user: undefined, agents: [] };

export function newAttempt(): Attempt {
  return { process: undefined, words: NO_WORDS, destination: undefined, lane: undefined, forwarded: false };
}

/** Who asks for a certificate, and by what. */
export interface Caller {
  /** Verified binds of the connection, first to last. */
  readonly bindings: readonly Binding[];
  /** Undefined where the platform can't tell: then nothing is minted. */
  readonly peer: PeerCredentials | undefined;
  /** The socket that it came in by. */
  readonly scope: SocketScope;
  /** Whether it has closed its connection meanwhile. */
  hasHungUp(): boolean;
}

/** Whether the caller's login comes through other hosts, as the binds themselves say. */
export function isForwarded(bindings: readonly Binding[]): boolean {
  return bindings.some((binding) => binding.forwarded);
}
