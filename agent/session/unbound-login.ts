/**
 * A login by a client that sends no bind, on a destination socket (paramiko, libssh2, Go, PuTTY, OpenSSH before 8.9): nothing proves
 * where it goes. What keeps the certificate in bounds is the lane, which must say `unbound: allow` and has principals that no bound lane
 * uses, the one signature, and the socket, which names the host. Local callers only: whoever forwards such a socket to another host
 * gives that host the lane; an OpenSSH that would have sent a bind of its own is refused.
 */
import { readFileSync } from 'node:fs';
import { matchLane } from '../../src/catalog/choose.ts';
import type { Lane } from '../../src/catalog/lane.ts';
import type { KnownHostsView } from '../../src/destination/known-hosts-store.ts';
import { resolveDestination } from '../../src/destination/names.ts';
import { WardenError } from '../../src/errors.ts';
import { type PeerCredentials, type ProcessInfo, processInfo } from '../../src/system/peer.ts';
import { SESSION_BIND } from '../protocol/messages.ts';
import type { Attempt } from './attempt.ts';
import { notDirect, processUnknown, runsOneOf } from './direct.ts';
import type { Found, LoginDependencies } from './found.ts';
import { narrowed, type SocketScope } from './socket-scope.ts';

/** The lane that a destination socket is for. Throws `no_lane`, `ambiguous_host_key`. */
export function laneOfSocket(
  lanes: readonly Lane[],
  { host, lane: id }: Pick<SocketScope, 'host' | 'lane'>,
): Lane {
  if (host === undefined) {
    const lane = lanes.find((each) => each.id === id);
    if (lane !== undefined) return lane;
    throw new WardenError('no_lane', `there is no lane ${id ?? ''}`, {
      hint: 'warden status lists the lanes',
    });
  }
  const match = matchLane(lanes, host);
  if (match.kind === 'lane') return match.lane;
  if (match.kind === 'none')
    throw new WardenError('no_lane', `no lane covers ${host}`, {
      hint: 'add it to the hosts of a lane in the catalog; a port is written [host]:port',
    });
  throw new WardenError(
    'ambiguous_host_key',
    `${host} leads to different lanes: ${match.lanes.map(({ id: each }) => each).join(', ')}`,
    { hint: 'give one of the lanes a more exact pattern for this name' },
  );
}

type Dependencies = Pick<LoginDependencies, 'clock' | 'lanes' | 'agent' | 'knownHosts'>;

const binds = new Map<string, boolean>();

/** Whether an OpenSSH sends binds (8.9 and newer): then its program has the extension's name in it. Asked once for each file. */
function sendsBinds({ pid, program }: ProcessInfo): boolean {
  // Not to be looked at: taken for one that does.
  if (program === undefined) return true;
  const file = `${program.dev}:${program.ino}`;
  const known = binds.get(file);
  if (known !== undefined) return known;
  let found = true;
  try {
    found = readFileSync(`/proc/${pid}/exe`).includes(SESSION_BIND);
  } catch {
    // The same.
  }
  binds.set(file, found);
  return found;
}

/** Whether a host key proves to be the socket's host, or to lead to its lane: for clients that say the host key in the login alone. */
function hostKeyCheck(d: Dependencies, scope: SocketScope, lane: Lane, knownHosts: KnownHostsView) {
  return (hostKey: Buffer): boolean => {
    const candidates = scope.host === undefined ? [] : [scope.host];
    const nowSeconds = Math.floor(d.clock.now() / 1000);
    const destination = resolveDestination(hostKey, { knownHosts, lanes: d.lanes, candidates, nowSeconds });
    if (scope.host !== undefined) return destination.names.some(({ name }) => name === scope.host);
    return destination.names.some(({ name }) => {
      const match = matchLane(d.lanes, name);
      return match.kind === 'lane' && match.lane.id === lane.id;
    });
  };
}

/** Finds the lane of an unbound login on a destination socket. Throws `no_binding`, `no_peer`, `not_direct`, and as laneOfSocket. */
export async function findUnbound(
  d: Dependencies,
  scope: SocketScope,
  peer: PeerCredentials,
  attempt: Attempt,
): Promise<Found> {
  const lane = laneOfSocket(d.lanes, scope);
  attempt.lane = lane;
  const client = processInfo(peer.pid);
  attempt.process = client;
  if (!lane.unbound)
    throw new WardenError(
      'no_binding',
      `the client has sent no session-bind, which the lane ${lane.id} wants`,
      {
        hint: 'use OpenSSH 8.9 or newer, or set unbound: allow in the lane',
      },
    );
  if (client === undefined) throw processUnknown(peer);
  if (peer.uid !== process.getuid?.())
    throw notDirect(`the caller is user ${peer.uid}`, 'run the client as yourself');
  const mayBeSsh = client.program === undefined || runsOneOf(client, d.agent.sshPrograms);
  if (mayBeSsh && sendsBinds(client))
    throw notDirect('an ssh that sends a session-bind has sent none', 'do not forward a destination socket');
  const knownHosts = await d.knownHosts.look();
  const host = scope.host ?? lane.id;
  return {
    lane: narrowed(lane, scope),
    host,
    source: `destination_socket ${scope.path}`,
    binding: undefined,
    via: [],
    user: undefined,
    holder: holderOf(scope, client),
    isHostKey: hostKeyCheck(d, scope, lane, knownHosts),
  };
}

/** The socket and the process that an unbound identity belongs to. */
export function holderOf(
  scope: SocketScope,
  { pid, startTime }: Pick<ProcessInfo, 'pid' | 'startTime'>,
): string {
  return `${scope.path} ${pid}:${startTime}`;
}
