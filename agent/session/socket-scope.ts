/**
 * What a socket of warden's is for. The agent's own serves any destination that a bind proves. A *destination socket* serves one host
 * or one lane, perhaps one login name: for clients that send no bind (where the lane says `unbound: allow`), and for whoever wants
 * principals that depend on the login name (`IdentityAgent …/%r.sock`).
 */
import type { Lane } from '../../src/catalog/lane.ts';
import type { Destination } from '../../src/destination/destination.ts';
import { WardenError } from '../../src/errors.ts';

export interface SocketScope {
  readonly path: string;
  /** As known_hosts writes it, lower case. */
  readonly host?: string;
  /** A lane's id. */
  readonly lane?: string;
  readonly login?: string;
}

/** Whether the socket is a destination socket. */
export function isDestinationSocket({ host, lane }: SocketScope): boolean {
  return host !== undefined || lane !== undefined;
}

function wrongSocket(scope: SocketScope, why: string): WardenError {
  return new WardenError('wrong_socket', `the socket ${scope.path} ${why}`, {
    hint: "use the agent's own socket (warden env), or another: warden agent socket HOST",
  });
}

/** Refuses a destination that the socket is not for. Throws `wrong_socket`. */
export function checkScope(scope: SocketScope, destination: Destination, lane: Lane): void {
  const { host } = scope;
  if (host !== undefined && !destination.names.some(({ name }) => name === host))
    throw wrongSocket(
      scope,
      `is for ${host}, and the login goes to ${destination.names[0]?.name ?? destination.fingerprint}`,
    );
  if (scope.lane !== undefined && scope.lane !== lane.id)
    throw wrongSocket(scope, `is for the lane ${scope.lane}, and the login goes by ${lane.id}`);
}

/**
 * The lane as the socket's login name narrows it: no other login, and that name as the only principal where it is one of the lane's.
 * Throws `wrong_socket` where the lane does not allow the name.
 */
export function narrowed(lane: Lane, scope: SocketScope): Lane {
  const { login } = scope;
  if (login === undefined) return lane;
  if (!lane.logins.includes('*') && !lane.logins.includes(login))
    throw wrongSocket(scope, `is for logins as ${login}, which the lane ${lane.id} does not allow`);
  return {
    ...lane,
    logins: [login],
    principals: lane.principals.includes(login) ? [login] : lane.principals,
  };
}
