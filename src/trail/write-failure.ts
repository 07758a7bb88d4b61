/** Why a trail could not be written, for people. */
import { errnoOf, WardenError } from '../errors.ts';

const PROBLEMS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ['the disk is full', 'free space there: no certificate is issued without a durable record'],
  EDQUOT: ['the quota is used up', 'free space there: no certificate is issued without a durable record'],
  EROFS: ['the file system is read-only', 'make it writable, or set state_dir to a place that is'],
  EACCES: ['permission denied', 'make the audit directory yours, or set state_dir to a place that is'],
  EPERM: ['not permitted', 'make the audit directory yours (and not immutable), or set state_dir elsewhere'],
  ELOOP: ['it is a symbolic link', 'put the file itself there'],
  EIO: ['the disk reports an error', 'look at the kernel log, and set state_dir to a disk that works'],
};

/** What was thrown, as the error that the callers of `append` get: `trail_unwritable` for whatever the system says. */
export function writeFailure(path: string, thrown: unknown): WardenError {
  if (thrown instanceof WardenError) {
    if (thrown.code !== 'config_permissions') return thrown;
    return new WardenError('trail_unwritable', thrown.message, { hint: thrown.hint, cause: thrown });
  }
  const errno = errnoOf(thrown);
  const [what, hint] = PROBLEMS[errno] ?? [errno || String(thrown), 'look at state_dir and its disk'];
  return new WardenError('trail_unwritable', `the trail ${path} can't be written: ${what}`, {
    hint,
    cause: thrown,
  });
}

/** No answer from the disk within the limit, or still none. */
export function silentDisk(path: string, how: string): WardenError {
  return new WardenError('trail_unwritable', `the disk under ${path} ${how}`, {
    hint: 'look at the disk, or set state_dir to another one',
  });
}
