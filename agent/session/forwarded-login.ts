/**
 * A login that came through other hosts (`ssh -A bastion`, there `ssh target`): the binds are (bastion, forwarded) … (target), and each
 * proves its host (OpenSSH's PROTOCOL.agent section 1, "agent restriction"). It gets a certificate only where the lane names every hop
 * in `forwarded`. The first hop has to be a login of the user's own that this agent has seen being made: anybody can say that his own
 * bind is forwarded, and any host's signature over a session can be had by connecting to it, but not one over a session of the user's.
 * With `direct_peers: any` the binds alone decide.
 *
 * Who holds a hop may use the lane as the user can, as long as the user is logged in there; that is what the lane says. The caller's
 * words are the hop's and prove nothing: the target's names come from known_hosts, `host_keys`, `host_ca` alone.
 */
import type { Lane } from '../../src/catalog/lane.ts';
import type { Destination } from '../../src/destination/destination.ts';
import { WardenError } from '../../src/errors.ts';
import { type PeerCredentials, processInfo } from '../../src/system/peer.ts';
import type { Attempt, Caller } from './attempt.ts';
import type { Binding } from './binding.ts';
import { checkProgram, checkUser, processUnknown } from './direct.ts';
import { type Found, foundByBind, type LoginDependencies } from './found.ts';
import { checkKnown, destinationOf, laneFor } from './resolve.ts';
import { checkScope } from './socket-scope.ts';

function forwarded(why: string, hint: string): WardenError {
  return new WardenError('forwarded', `the login comes through a forwarded agent${why}`, { hint });
}

const FROM_HERE = 'log in from your own machine (ssh -J), or have the host covered by an agent of its own';

/**
 * The names that the user told the forwarding ssh for the first hop, its own login; undefined where the binds alone decide. Throws
 * `no_peer`, `not_direct`, `forwarded`.
 */
function namesOfFirstHop(
  d: LoginDependencies,
  first: Binding,
  peer: PeerCredentials,
  attempt: Attempt,
): readonly string[] | undefined {
  const process = processInfo(peer.pid);
  attempt.process = process;
  if (d.agent.directPeers === 'any') return undefined;
  if (process === undefined) throw processUnknown(peer);
  checkProgram(process, d.agent.sshPrograms);
  checkUser(peer);
  const names = d.register.ownNames(first.sessionId);
  if (names !== undefined) return names;
  throw forwarded(', and its first hop is no login of yours that this agent has seen', FROM_HERE);
}

/**
 * The hop's name among those that the lane allows. Proofs that only another lane accepts do not count, nor, where it is known what the
 * user said, names that he did not say: machines share keys. Throws `forwarded`.
 */
function hopName(hop: Destination, lane: Lane, said: readonly string[] | undefined): string {
  const proved = hop.names.filter(
    (proof) =>
      (proof.lane === undefined || proof.lane === lane.id) &&
      (said === undefined || said.includes(proof.name)),
  );
  const found = hop.revoked ? undefined : proved.find(({ name }) => lane.forwarded.includes(name));
  if (found !== undefined) return found.name;
  const called = hop.revoked ? 'a revoked host key' : (proved[0]?.name ?? hop.fingerprint);
  throw forwarded(
    ` by ${called}, which the lane ${lane.id} does not allow`,
    lane.forwarded.length === 0
      ? `${FROM_HERE}; a lane may allow hops by name: forwarded`
      : `the lane allows: ${lane.forwarded.join(', ')}`,
  );
}

/** Finds where a forwarded login goes, and its lane. Throws why there is none. */
export async function findForwarded(
  d: LoginDependencies,
  { bindings, scope }: Pick<Caller, 'bindings' | 'scope'>,
  peer: PeerCredentials,
  attempt: Attempt,
): Promise<Found> {
  const hops = bindings.filter((binding) => binding.forwarded);
  const [first] = hops;
  const binding = bindings.at(-1);
  if (first === undefined || binding === undefined || binding.forwarded)
    throw forwarded(', and the far side has not said where it goes', FROM_HERE);
  const said = namesOfFirstHop(d, first, peer, attempt);
  const knownHosts = await d.knownHosts.look();
  const destination = destinationOf(d, binding.hostKey, [], knownHosts);
  attempt.destination = destination;
  checkKnown(destination, d.lanes);
  const way = laneFor(d.lanes, destination, []);
  const { lane } = way;
  attempt.lane = lane;
  const via = hops.map((hop) => {
    const from = destinationOf(d, hop.hostKey, lane.forwarded, knownHosts);
    return hopName(from, lane, hop === first ? said : undefined);
  });
  checkScope(scope, destination, lane);
  return foundByBind(binding, way, scope, { via, user: undefined });
}
