/** What changes anything is done by one worker at a time on one state_dir: its lock, its memory, the trail. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, WardenError } from '../errors.ts';
import { alone } from '../system/alone.ts';
import type { Clock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { Trail } from '../trail/trail.ts';
import type { Hub } from './hub.ts';
import { Seen } from './seen.ts';
import type { Sending } from './send.ts';

/** How long another worker is waited for, in milliseconds. */
const LOCK_MS = 2_000;

export interface Worker {
  readonly hub: Hub;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly caller: Sending['caller'];
}

/** A file in state_dir to lock, made where it is missing. Throws `state_unwritable`, `config_permissions`. */
export function lockFile(stateDir: string, name: string): string {
  ensurePrivateDirectory(stateDir);
  const path = join(stateDir, name);
  try {
    closeSync(openSync(path, 'a', 0o600));
    return path;
  } catch (cause) {
    throw new WardenError('state_unwritable', `can't write ${path}: ${errnoOf(cause)}`, {
      hint: 'make state_dir writable for yourself',
      cause,
    });
  }
}

/** Runs `work` alone. Throws `file_locked`, `state_unwritable`, `malformed`, and what it throws. */
export async function asOnlyWorker<T>(
  { hub, stateDir, clock, caller }: Worker,
  work: (sending: Sending) => Promise<T>,
): Promise<T> {
  const lock = lockFile(stateDir, 'worker.lock');
  return alone(lock, LOCK_MS, `is the worker of ${stateDir} already`, async () => {
    const seen = new Seen(stateDir);
    const trail = new Trail(join(stateDir, 'audit'), { clock });
    const now = () => new Date(clock.now()).toISOString();
    try {
      return await work({ hub, seen, trail, stateDir, now, caller });
    } finally {
      await trail.close();
      seen.close();
    }
  });
}
