/** What the kernel says of a process: memory and CPU time (proc(5)). */
import { readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second for everybody who reads it (USER_HZ). */
const TICK_MS = 10;

/** Resident set in MiB. */
export function resident(pid: number): number {
  return statusOf(pid, 'VmRSS');
}

/** The most of it so far. */
export function highWater(pid: number): number {
  return statusOf(pid, 'VmHWM');
}

function statusOf(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024;
}

/** User and system time of a process, all its threads, in clock ticks. */
export function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // Counted from behind the program's name, which may hold anything: utime and stime are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

/** The same in milliseconds. */
export function cpuMs(pid: number): number {
  return ticks(pid) * TICK_MS;
}

/** The largest resident set that it ever had, in MiB; 0 where it is no more. */
export function peakResident(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
