/**
 * What a service manager gives a daemon and wants to hear from it: a socket that it listens on (sd_listen_fds(3)) and a datagram when
 * the daemon is ready, alive or about to end (sd_notify(3)). Left out: more than one socket, sockets that are not Unix sockets, launchd's
 * way (launch_activate_socket(3)).
 */
import { fstatSync, readFileSync } from 'node:fs';
import { errnoOf, WardenError } from '../errors.ts';
import { libc } from './libc.ts';

/** sd_listen_fds(3): the first descriptor that is handed over. */
const FIRST_FD = 3;
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;

export interface GivenSocket {
  readonly fd: number;
  /** Where it was bound, absolute. */
  readonly path: string;
}

/** Reads a variable that is for this process alone, and takes it out. */
function take(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  delete env[name];
  return value;
}

/** The path that a listening Unix socket is bound to, from /proc/net/unix (proc(5)); undefined for any other descriptor. */
function boundPath(fd: number): string | undefined {
  const inode = `${fstatSync(fd).ino}`;
  for (const line of readFileSync('/proc/self/net/unix', 'utf8').split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path; the path may hold blanks.
    const [, flags, found, path] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (\/.+)$/.exec(line) ?? [];
    // __SO_ACCEPTCON
    if (found === inode && flags === '00010000') return path;
  }
  return undefined;
}

/** The socket that systemd listens on for this process, or undefined. Throws `socket_path` for what no agent can serve. */
export function givenSocket(env: NodeJS.ProcessEnv): GivenSocket | undefined {
  const pid = take(env, 'LISTEN_PID');
  const count = take(env, 'LISTEN_FDS');
  take(env, 'LISTEN_FDNAMES');
  if (count === undefined || pid !== `${process.pid}`) return undefined;
  let path: string | undefined;
  try {
    path = count === '1' ? boundPath(FIRST_FD) : undefined;
  } catch (cause) {
    throw new WardenError('socket_path', `the service manager's socket can't be used: ${errnoOf(cause)}`, {
      cause,
    });
  }
  if (path === undefined) {
    throw new WardenError(
      'socket_path',
      'the service manager hands over something other than one Unix socket',
      {
        hint: 'the unit wants one ListenStream= with a path: share/systemd/user/warden.socket',
      },
    );
  }
  return { fd: FIRST_FD, path };
}

/** Tells the service manager something, as `READY=1`; never throws: whoever does not hear it finds the daemon running all the same. */
export type Notify = (state: string) => void;

/** `struct sockaddr_un`; a path that begins with @ is in the abstract namespace (unix(7)). */
function unixAddress(path: string): Buffer {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

/** How to tell the service manager that started this process; says nothing where there is none. */
export function serviceNotifier(env: NodeJS.ProcessEnv): Notify {
  const path = take(env, 'NOTIFY_SOCKET');
  const c = path === undefined ? undefined : libc();
  if (path === undefined || c === undefined) return () => undefined;
  const address = unixAddress(path);
  return (state) => {
    const fd = c.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
    if (fd < 0) return;
    c.sendto(fd, Buffer.from(state), address);
    c.close(fd);
  };
}

/** Whether the service manager wants a sign of life (`WATCHDOG=1`) from this process. */
export function wantsSignsOfLife(env: NodeJS.ProcessEnv): boolean {
  const pid = take(env, 'WATCHDOG_PID');
  return take(env, 'WATCHDOG_USEC') !== undefined && (pid === undefined || pid === `${process.pid}`);
}
