/** From a bound host key to the destination, with what a daemon knows: known_hosts, its lanes, the names that were proved before. */
import { chooseLane } from '../../src/catalog/choose.ts';
import type { Lane } from '../../src/catalog/lane.ts';
import type { Destination, ProvedName } from '../../src/destination/destination.ts';
import type { KnownHostsStore, KnownHostsView } from '../../src/destination/known-hosts-store.ts';
import { resolveDestination } from '../../src/destination/names.ts';
import type { ProvedNames } from '../../src/destination/proved-names.ts';
import { WardenError } from '../../src/errors.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import type { Clock } from '../../src/system/clock.ts';
import { plainKeyOf } from './binding.ts';

export interface ResolveDependencies {
  readonly clock: Clock;
  readonly lanes: readonly Lane[];
  readonly knownHosts: KnownHostsStore;
  readonly provedNames: ProvedNames;
}

/**
 * Resolves a host key and keeps the names that are proved. `candidates` are guesses, most likely first. Throws `malformed`, `bad_key`,
 * `bad_certificate` where the blob is no key.
 */
export function destinationOf(
  d: ResolveDependencies,
  hostKey: Buffer,
  candidates: readonly string[],
  knownHosts: KnownHostsView,
): Destination {
  const destination = resolveDestination(hostKey, {
    knownHosts,
    lanes: d.lanes,
    candidates: [...candidates, ...d.provedNames.of(fingerprint(plainKeyOf(hostKey)))],
    nowSeconds: Math.floor(d.clock.now() / 1000),
  });
  d.provedNames.remember(destination);
  return destination;
}

/** Throws `revoked_host_key`, `unknown_host_key`. */
export function checkKnown(destination: Destination, lanes: readonly Lane[]): void {
  if (destination.revoked) {
    throw new WardenError(
      'revoked_host_key',
      `the host key ${destination.fingerprint} is revoked in known_hosts`,
      {
        hint: 'do not log in; ask who revoked it',
      },
    );
  }
  const pinned = lanes.some(({ hostKeys }) => hostKeys.includes(destination.fingerprint));
  if (destination.names.length > 0 || pinned) return;
  throw new WardenError(
    'unknown_host_key',
    `no known_hosts line proves a name for the host key ${destination.fingerprint}`,
    {
      hint: 'ssh must have the host in one of agent.known_hosts (not in a UserKnownHostsFile elsewhere); a lane can pin it: host_keys',
    },
  );
}

/** The lane that covers a destination, and the proved name that leads to it; `words` are the caller's. Throws `no_lane`, `ambiguous_host_key`. */
export function laneFor(
  lanes: readonly Lane[],
  { fingerprint: print, names }: Destination,
  words: readonly string[],
): { readonly lane: Lane; readonly name: ProvedName } {
  const choice = chooseLane({ lanes, names, fingerprint: print, words });
  if ('error' in choice) throw new WardenError(choice.error, choice.message, { hint: choice.hint });
  return choice;
}
