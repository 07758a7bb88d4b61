/**
 * Is a bind the caller's own login, or one that reached us through it? (design.md, promise 1.) The flag in the bind is set by the
 * forwarding client and proves nothing; a bind is direct only when the peer runs one of `agent.ssh_programs`, has bound no other
 * session before, uses this agent itself (own-agent.ts), and its own words name the destination.
 *
 * Accepted limits. ssh may trust what warden does not read (UserKnownHostsFile and KnownHostsCommand elsewhere, StrictHostKeyChecking
 * no): then the name was told and the key is the name's, but nobody has checked that ssh met that key; and a port that only such a
 * file knows looks unknown, so that its plain name stands in. Whoever holds the far side of a login that this daemon has not seen, and
 * reaches the socket through that ssh, can bind a session of his own to the *same* host: that host's lane, and only the login name that
 * ssh was told (guard). Unseen are logins from before the daemon's start (what processes have bound is remembered in memory only) and,
 * where own-agent.ts can't decide which agent ssh uses, those that asked another.
 */
import { statSync } from 'node:fs';
import type { CallerWords, Destination } from '../../src/destination/destination.ts';
import type { KnownHostsView } from '../../src/destination/known-hosts-store.ts';
import { WardenError } from '../../src/errors.ts';
import type { PeerCredentials, ProcessInfo } from '../../src/system/peer.ts';
import type { Binding } from './binding.ts';
import type { Register } from './register.ts';

export function notDirect(why: string, hint: string): WardenError {
  return new WardenError('not_direct', `the login may be somebody else's, forwarded: ${why}`, { hint });
}

/** For a process that the kernel names and /proc does not show. */
export function processUnknown(peer: PeerCredentials): WardenError {
  const who = peer.pid === 0 ? 'in another process namespace' : `process ${peer.pid}`;
  return new WardenError('no_peer', `the caller, ${who}, can't be looked at`, {
    hint: 'in a container that hides /proc of others: agent.direct_peers: any (weaker)',
  });
}

/** The file's identity is compared, not its path: a mount namespace can give any path to any file. */
export function runsOneOf(process: ProcessInfo, programs: readonly string[]): boolean {
  const { program } = process;
  if (program === undefined) return false;
  return programs.some((path) => {
    const file = statSync(path, { bigint: true, throwIfNoEntry: false });
    return file !== undefined && file.ino === program.ino && file.dev === program.dev;
  });
}

/** Refuses callers whose ssh reads another user's configuration, and so may be told another host. Throws `not_direct`. */
export function checkUser(peer: PeerCredentials): void {
  if (peer.uid === process.getuid?.()) return;
  throw notDirect(
    `the caller is user ${peer.uid}, whose ssh configuration is not ours to follow`,
    'run ssh as yourself, or an agent for that user',
  );
}

/** Refuses callers that are no OpenSSH client of the configuration's. Throws `not_direct`. */
export function checkProgram(process: ProcessInfo, programs: readonly string[]): void {
  if (runsOneOf(process, programs)) return;
  throw notDirect(
    `the caller runs ${process.program?.path ?? 'a program that may not be looked at'}`,
    'if it is an OpenSSH client of yours, add it to agent.ssh_programs',
  );
}

/** Checks the peer's program and history; before anything is asked of its words. Throws `not_direct`. */
export function checkPeer(
  process: ProcessInfo,
  binding: Binding,
  programs: readonly string[],
  register: Register,
): void {
  const first = register.isFirstSession(process.pid, process.startTime, binding.sessionId);
  checkProgram(process, programs);
  // `ssh -f` and ControlPersist go to the background by fork, after their login: what a fork brings is never the first login.
  if (!first || process.forked)
    throw notDirect(
      'its process has bound another session before',
      'log in from your own machine, not through ssh -A or a forwarded socket',
    );
}

/**
 * The names of the destination that the caller's own words say, most likely first; never empty. Throws `not_direct` where they say
 * none of them. A plain name that ssh only falls back to counts where known_hosts does not know the one with the port
 * (sshconnect.c: check_host_key, "checking without port identifier"): else a service on another port could pass for the host.
 */
export function checkWords(
  words: CallerWords,
  destination: Destination,
  knownHosts: Pick<KnownHostsView, 'knows'>,
): string[] {
  const proved = new Set(destination.names.map(({ name }) => name));
  const said = words.told.filter(({ name, fallbackOf }) => {
    if (!proved.has(name)) return false;
    return fallbackOf === undefined || !(proved.has(fallbackOf) || knownHosts.knows(fallbackOf));
  });
  if (said.length > 0) return said.map(({ name }) => name);
  const [first] = words.candidates;
  if (first !== undefined && words.told.length === 0) {
    throw notDirect(
      `its ssh configuration leaves open whether it went to ${first}`,
      'set HostKeyAlias for the host before the Match block (exec, localnetwork) that sets HostName or Port',
    );
  }
  const names = [...proved].join(', ');
  throw notDirect(
    `it was told ${first ?? 'no host'}, but its host key ${names === '' ? 'has no proved name' : `belongs to ${names}`}`,
    names === ''
      ? 'put the host into known_hosts, or its exact name into the hosts of the lane that pins its key'
      : 'name the host (and port) as known_hosts does, or set HostKeyAlias in ssh_config',
  );
}
