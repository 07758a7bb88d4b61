/**
 * Who is at the other end of a Unix socket, and what is it running? SO_PEERCRED (unix(7)) and /proc (proc(5)).
 * Linux only: elsewhere nobody is known, and an agent that knows nobody mints nothing (promise 1 of the design).
 */
import { closeSync, openSync, readFileSync, readlinkSync, readSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** The kernel's own limit on arguments is megabytes; no honest ssh comes near this. */
const MAX_CMDLINE = 64 * 1024;
/** The same for the environment. */
export const MAX_ENVIRONMENT = 256 * 1024;

export interface PeerCredentials {
  /** 0: in a process namespace that is not ours or below it; there is nothing to look up. */
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ProcessInfo {
  readonly pid: number;
  /** Clock ticks since boot at which it started: with the pid, the process's identity. */
  readonly startTime: string;
  /** The program file: path as the kernel tells it, and the file's identity. Undefined where it may not be read. */
  readonly program: { readonly path: string; readonly dev: bigint; readonly ino: bigint } | undefined;
  /** Whether it is a fork that has not started a program of its own: its words are its parent's. */
  readonly forked: boolean;
  readonly argv: readonly string[];
  readonly cwd: string | undefined;
}

/** The descriptor under a socket: not in Node's types, but the only way to it. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, 'fd');
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}

/** The credentials that the peer had when it connected, or undefined where they can't be read. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  const fd = descriptorOf(socket);
  const c = process.platform === 'linux' ? libc() : undefined;
  if (fd === undefined || c === undefined) return undefined;
  const ucred = Buffer.alloc(12);
  if (c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, [12]) !== 0) return undefined;
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) };
}

const POLLHUP = 0x10;

/**
 * Whether the peer of a Unix socket has closed it, or has ended. One that has only shut down its writing side still reads (poll(2):
 * POLLHUP, which unlike POLLRDHUP says that both directions are over).
 */
export function hasHungUp(socket: Socket): boolean {
  const fd = descriptorOf(socket);
  if (fd === undefined) return true;
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(fd, 0);
  return (libc()?.poll(pollfd) ?? 0) > 0 && (pollfd.readInt16LE(6) & POLLHUP) !== 0;
}

/** `PF_FORKNOEXEC` of the kernel's include/linux/sched.h: forked, and no program started since. */
const PF_FORKNOEXEC = 0x40;

/** Fields of /proc/PID/stat (proc(5)) after the program's name, from field 3 on; undefined when the process is gone. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses and may hold anything: count from the last ')'.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), or undefined when it is gone. */
export function startTimeOf(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

function programOf(pid: number): ProcessInfo['program'] {
  try {
    const link = `/proc/${pid}/exe`;
    const file = statSync(link, { bigint: true });
    return { path: readlinkSync(link), dev: file.dev, ino: file.ino };
  } catch {
    return undefined;
  }
}

function workingDirectoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

/** What a process is and was told, or undefined when it is gone or changed while we looked. */
export function processInfo(pid: number): ProcessInfo | undefined {
  const stat = statOf(pid);
  const startTime = stat?.[19];
  if (startTime === undefined) return undefined;
  const forked = (Number(stat?.[6]) & PF_FORKNOEXEC) !== 0;
  let cmdline: Buffer;
  try {
    cmdline = readFileSync(`/proc/${pid}/cmdline`);
  } catch {
    return undefined;
  }
  if (cmdline.length > MAX_CMDLINE) return undefined;
  const argv = cmdline.toString('utf8').split('\0');
  argv.pop(); // the text ends in NUL
  const info = { pid, startTime, program: programOf(pid), forked, argv, cwd: workingDirectoryOf(pid) };
  return startTimeOf(pid) === startTime ? info : undefined;
}

/** Reads the start of a file into `bytes`, as much as there is room for, and returns how many bytes that is. */
function readInto(bytes: Buffer, path: string): number {
  const fd = openSync(path, 'r');
  try {
    let length = 0;
    for (;;) {
      const count = readSync(fd, bytes, length, bytes.length - length, null);
      if (count === 0) return length;
      length += count;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * These variables of the environment that a process was started with (UTF-8); one that is not set is missing. Undefined where they can't
 * be read, lie beyond MAX_ENVIRONMENT, or the process is gone. Nothing else is kept: environments hold secrets.
 */
export function environmentOf(
  { pid, startTime }: Pick<ProcessInfo, 'pid' | 'startTime'>,
  names: readonly string[],
): ReadonlyMap<string, string> | undefined {
  const bytes = Buffer.allocUnsafe(1 + MAX_ENVIRONMENT);
  // A NUL in front, so that every variable stands between two.
  bytes[0] = 0;
  let all = bytes.subarray(0, 1);
  try {
    all = bytes.subarray(0, 1 + readInto(bytes.subarray(1), `/proc/${pid}/environ`));
    if (all.length > MAX_ENVIRONMENT || startTimeOf(pid) !== startTime) return undefined;
    const found = new Map<string, string>();
    for (const name of names) {
      const before = `\0${name}=`;
      // The first of several, as getenv(3).
      const at = all.indexOf(before);
      if (at < 0) continue;
      const start = at + Buffer.byteLength(before);
      found.set(name, all.toString('utf8', start, all.indexOf(0, start)));
    }
    return found;
  } catch {
    return undefined;
  } finally {
    all.fill(0);
  }
}

/** The way from here to what a process calls `path`, through its root or working directory. Absolute links on the way are our own. */
export function pathAsSeenBy({ pid }: Pick<ProcessInfo, 'pid'>, path: string): string {
  return path.startsWith('/') ? `/proc/${pid}/root${path}` : `/proc/${pid}/cwd/${path}`;
}

/** Whether every path is the same file to the process as to us: the same mounts, the same root. */
export function sharesOurFiles({ pid }: Pick<ProcessInfo, 'pid'>): boolean {
  try {
    const mounts = readlinkSync(`/proc/${pid}/ns/mnt`);
    return mounts === readlinkSync('/proc/self/ns/mnt') && readlinkSync(`/proc/${pid}/root`) === '/';
  } catch {
    return false;
  }
}
