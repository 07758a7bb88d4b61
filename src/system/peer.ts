/**
 * Who is at the other end of a Unix socket, and what is it running? SO_PEERCRED (unix(7)) and /proc (proc(5)).
 * Linux only: elsewhere nobody is known, and an agent that knows nobody mints nothing (promise 1 of the design).
 */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** The kernel's own limit on arguments is megabytes; no honest ssh comes near this. */
const MAX_CMDLINE = 64 * 1024;

export interface PeerCredentials {
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
function descriptorOf(socket: Socket): number | undefined {
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
  const pid = ucred.readInt32LE(0);
  // A peer in another pid namespace has pid 0 here: it can't be looked up.
  if (pid <= 0) return undefined;
  return { pid, uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) };
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
