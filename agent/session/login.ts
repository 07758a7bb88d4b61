/**
 * From a bound connection to a minted identity: who is asking, where the login goes, which lane covers it, and the mint
 * (design.md, "The way of a login"). Everything that stands in the way is a WardenError with what to do.
 */
import { type UserInfo, userInfo } from 'node:os';
import { chooseLane, matchLane } from '../../src/catalog/choose.ts';
import type { Lane } from '../../src/catalog/lane.ts';
import type { AgentConfig } from '../../src/config/config.ts';
import { callerWords, typedWords } from '../../src/destination/caller-words.ts';
import type { CallerWords, Destination, ProvedName } from '../../src/destination/destination.ts';
import type { KnownHostsStore, KnownHostsView } from '../../src/destination/known-hosts-store.ts';
import { resolveDestination } from '../../src/destination/names.ts';
import type { ProvedNames } from '../../src/destination/proved-names.ts';
import { WardenError } from '../../src/errors.ts';
import { type MintDependencies, mint } from '../../src/issuance/mint.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import type { Clock } from '../../src/system/clock.ts';
import { type PeerCredentials, type ProcessInfo, processInfo } from '../../src/system/peer.ts';
import { FreshKey } from '../keystore/fresh-key.ts';
import { MintedIdentity } from '../keystore/minted-identity.ts';
import { type Binding, plainKeyOf } from './binding.ts';
import { checkFlags, checkPeer, checkUser, checkWords } from './direct.ts';
import { checkAgent } from './own-agent.ts';
import type { Register } from './register.ts';

export interface LoginDependencies {
  readonly clock: Clock;
  readonly agent: Pick<AgentConfig, 'sshPrograms' | 'directPeers'>;
  /** The path of the socket that the daemon listens on. */
  readonly socket: string;
  readonly lanes: readonly Lane[];
  readonly knownHosts: KnownHostsStore;
  readonly provedNames: ProvedNames;
  readonly register: Register;
  readonly issuance: MintDependencies;
}

/** What is known about a login attempt, filled in as far as it got: for the trail, `warden why` and the caller's terminal. */
export interface Attempt {
  process: ProcessInfo | undefined;
  words: CallerWords;
  destination: Destination | undefined;
  lane: Lane | undefined;
}

const NO_WORDS: CallerWords = { candidates: [], told: [], user: undefined, agents: [] };

export function newAttempt(): Attempt {
  return { process: undefined, words: NO_WORDS, destination: undefined, lane: undefined };
}

/** Asked once: the password database may be a directory service, and the answer never changes. */
let account: UserInfo<string> | undefined;

/** The peer's own words. Throws `limit_exceeded` where its ssh configuration can't be followed. */
async function wordsOf(process: ProcessInfo): Promise<CallerWords> {
  // ssh takes its home from the password database, not from $HOME.
  account ??= userInfo();
  const { homedir, username } = account;
  return callerWords(process.argv, { cwd: process.cwd, home: homedir, localUser: username });
}

function destinationOf(
  d: LoginDependencies,
  binding: Binding,
  words: CallerWords,
  knownHosts: KnownHostsView,
): Destination {
  const destination = resolveDestination(binding.hostKey, {
    knownHosts,
    lanes: d.lanes,
    candidates: [...words.candidates, ...d.provedNames.of(fingerprint(plainKeyOf(binding.hostKey)))],
    nowSeconds: Math.floor(d.clock.now() / 1000),
  });
  d.provedNames.remember(destination);
  return destination;
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

function checkKnown(destination: Destination, lanes: readonly Lane[]): void {
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

/** Looks at who asks and fills in its process and words. Throws `no_peer`, `forwarded`, `not_direct`, `limit_exceeded`. */
async function lookAtCaller(
  d: LoginDependencies,
  bindings: readonly Binding[],
  binding: Binding,
  peer: PeerCredentials,
  attempt: Attempt,
): Promise<void> {
  // With `any` the flag alone decides, and the words are guesses for names only.
  const judged = d.agent.directPeers === 'ssh';
  const process = processInfo(peer.pid);
  attempt.process = process;
  checkFlags(bindings);
  if (process === undefined) {
    if (!judged) return;
    throw new WardenError('no_peer', `process ${peer.pid}, which asks, can't be looked at`, {
      hint: 'in a container that hides /proc of others: agent.direct_peers: any (weaker)',
    });
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
  if (judged) await checkAgent(process, attempt.words, d.socket);
}

/** Resolves where the login goes and chooses its lane. Throws why there is none. */
async function chooseFor(
  d: LoginDependencies,
  binding: Binding,
  attempt: Attempt,
): Promise<{ readonly lane: Lane; readonly name: ProvedName }> {
  const judged = d.agent.directPeers === 'ssh';
  const knownHosts = await d.knownHosts.look();
  const destination = destinationOf(d, binding, attempt.words, knownHosts);
  attempt.destination = destination;
  checkKnown(destination, d.lanes);
  const choice = chooseLane({
    lanes: d.lanes,
    names: destination.names,
    fingerprint: destination.fingerprint,
    words: judged ? checkWords(attempt.words, destination, knownHosts) : attempt.words.candidates,
  });
  if ('error' in choice) throw new WardenError(choice.error, choice.message, { hint: choice.hint });
  attempt.lane = choice.lane;
  if (judged) checkWords(attempt.words, nameableFor(destination, choice.lane), knownHosts);
  return choice;
}

/**
 * Mints for the last of `bindings`, or throws why not. `attempt` is filled in on the way, also when it throws.
 * `peer` is undefined where the platform can't tell: then nothing is minted.
 */
export async function certificateFor(
  d: LoginDependencies,
  bindings: readonly Binding[],
  peer: PeerCredentials | undefined,
  attempt: Attempt,
): Promise<MintedIdentity> {
  const binding = bindings.at(-1);
  if (binding === undefined) {
    if (peer !== undefined) d.register.noteSession(peer.pid);
    throw new WardenError('no_binding', 'a list without a session-bind: no login to mint for');
  }
  if (peer === undefined) {
    throw new WardenError('no_peer', 'the caller is unknown: no peer credentials', { hint: 'warden status' });
  }
  await lookAtCaller(d, bindings, binding, peer, attempt);
  const { lane, name } = await chooseFor(d, binding, attempt);
  if (d.register.wasServed(binding.sessionId)) {
    throw new WardenError('replayed_binding', 'this session has had its certificate', {
      hint: 'a new login gets a new one',
    });
  }
  // Before the mint, so that a second connection with the same session can't race the first.
  d.register.serve(binding.sessionId, lane.ttlSeconds);
  const key = new FreshKey();
  const exe = attempt.process?.program?.path;
  try {
    const minted = await mint(d.issuance, {
      lane,
      publicKey: key.publicKey,
      host: name.name,
      source: `${name.how} ${name.source}`,
      caller: { uid: peer.uid, pid: peer.pid, ...(exe === undefined ? {} : { exe }) },
    });
    const user = d.agent.directPeers === 'ssh' ? attempt.words.user : undefined;
    return new MintedIdentity(binding, lane, name.name, minted, key, user);
  } catch (thrown) {
    key.drop();
    d.register.release(binding.sessionId);
    throw thrown;
  }
}
