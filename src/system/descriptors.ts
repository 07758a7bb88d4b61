/**
 * Open files: how many this process may have (getrlimit(2), as /proc/self/limits says it; Node raises the soft limit to the hard one
 * when it starts) and whether enough are left. A descriptor's number is the lowest that was free (open(2)), so it says how many are
 * in use at least. Linux only: elsewhere there are always enough.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { descriptorOf } from './peer.ts';

/** Kept for the daemon's own work: known_hosts, /proc, OpenBao, the agent behind; of a small limit a quarter. */
const RESERVED = 64;

let highest: number | undefined;

/** The highest descriptor that somebody else's connection may take. */
function highestForOthers(): number {
  try {
    const limit = Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
    return limit > 0 ? limit - Math.min(RESERVED, Math.floor(limit / 4)) : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Whether an accepted connection has one of the last descriptors. */
export function tooFewLeft(socket: Socket): boolean {
  highest ??= highestForOthers();
  return (descriptorOf(socket) ?? 0) > highest;
}
