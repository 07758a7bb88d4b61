/** Advisory whole-file locks, flock(2): they belong to the open file, so a process that dies lets go of them. */
import { WardenError } from '../errors.ts';
import { libc, libcFailure } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const EINTR = 4;

function need() {
  const c = libc();
  if (c === undefined) {
    throw new WardenError('platform', `file locks need the package koffi: ${libcFailure() ?? 'not loaded'}`, {
      hint: 'install warden with its dependencies (npm ci) on a platform that koffi has a build for',
    });
  }
  return c;
}

/** Takes the exclusive lock of an open file without waiting; false when another holds it. Throws `platform` without koffi. */
export function tryLock(fd: number): boolean {
  const c = need();
  for (;;) {
    if (c.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
    if (c.errno() !== EINTR) return false;
  }
}

/** Gives the lock back. */
export function unlock(fd: number): void {
  need().flock(fd, LOCK_UN);
}
