/**
 * A login of the caller's own: who is asking, where does it go, and do the caller's words say so (promise 1)? With
 * `agent.direct_peers: any` the bind's flag alone decides, and the words are guesses for names only.
 */

import type { UserInfo } from 'node:os';
import { matchLane } from '../../src/catalog/choose.ts';
import type { Lane } from '../../src/catalog/lane.ts';
import { callerWords, typedWords } from '../../src/destination/caller-words.ts';
import type { CallerWords, Destination } from '../../src/destination/destination.ts';
import { account } from '../../src/system/account.ts';
import { type PeerCredentials, type ProcessInfo, processInfo } from '../../src/system/peer.ts';
import type { Attempt, Caller } from './attempt.ts';
import type { Binding } from './binding.ts';
import { checkPeer, checkUser, checkWords, processUnknown } from './direct.ts';
import { type Found, foundByBind, type LoginDependencies } from './found.ts';
import { checkAgent } from './own-agent.ts';
import { checkKnown, destinationOf, laneFor } from './resolve.ts';
import { checkScope } from './socket-scope.ts';

/** Asked once: the password database may be a directory service, and the answer never changes. */
let ours: UserInfo<string> | undefined;

/** The peer's own words. Throws `limit_exceeded` where its ssh configuration can't be followed. */
async function wordsOf(process: ProcessInfo): Promise<CallerWords> {
  // ssh takes its home from the password database, not from $HOME.
  ours ??= account();
  const { homedir, username } = ours;
  return callerWords(process.argv, { cwd: process.cwd, home: homedir, localUser: username });
}

/**
 * The destination with the names that the caller may have said for `lane`. A proof that only another lane accepts says nothing here.
 * And a CA may lend the name of a host of its own to anybody's key: a name that only a certificate proves must be one that the lane
 * itself covers.
 */
function nameableFor(destination: Destination, lane: Lane): Destination {
  const names = destination.names.filter((proof) => {
    if (proof.lane !== undefined && proof.lane !== lane.id) return false;
    return proof.how !== 'host_certificate' || matchLane([lane], proof.name).kind === 'lane';
  });
  return { ...destination, names };
}

/** Looks at who asks and fills in its process and words. Throws `no_peer`, `not_direct`, `limit_exceeded`. */
async function lookAtCaller(
  d: LoginDependencies,
  binding: Binding,
  peer: PeerCredentials,
  socket: string,
  attempt: Attempt,
): Promise<void> {
  const judged = d.agent.directPeers === 'ssh';
  const process = processInfo(peer.pid);
  attempt.process = process;
  if (process === undefined) {
    if (!judged) return;
    throw processUnknown(peer);
  }
  if (judged) {
    checkPeer(process, binding, d.agent.sshPrograms, d.register);
    checkUser(peer);
  }
  attempt.words = typedWords(process.argv);
  try {
    attempt.words = await wordsOf(process);
  } catch (thrown) {
    if (judged) throw thrown;
  }
  if (judged) await checkAgent(process, attempt.words, socket);
}

/** Finds where the direct login of `binding` goes and chooses its lane. Throws why there is none. */
export async function findDirect(
  d: LoginDependencies,
  binding: Binding,
  { scope }: Pick<Caller, 'scope'>,
  peer: PeerCredentials,
  attempt: Attempt,
): Promise<Found> {
  await lookAtCaller(d, binding, peer, scope.path, attempt);
  const judged = d.agent.directPeers === 'ssh';
  const knownHosts = await d.knownHosts.look();
  const destination = destinationOf(d, binding.hostKey, attempt.words.candidates, knownHosts);
  attempt.destination = destination;
  checkKnown(destination, d.lanes);
  const words = judged ? checkWords(attempt.words, destination, knownHosts) : attempt.words.candidates;
  // Also without a lane: what comes through this login later came from that host.
  d.register.noteOwn(binding.sessionId, words);
  const way = laneFor(d.lanes, destination, words);
  attempt.lane = way.lane;
  if (judged) checkWords(attempt.words, nameableFor(destination, way.lane), knownHosts);
  checkScope(scope, destination, way.lane);
  return foundByBind(binding, way, scope, { via: [], user: judged ? attempt.words.user : undefined });
}
