/**
 * What becomes of closed segments: all but the newest are compressed (followers and the next writer want that one as it is), and those that
 * the configuration no longer keeps are removed, the oldest first, each with its tombstone in the trail before. A process that is killed at
 * any moment leaves every record that is to be kept where readers find it.
 * One process at a time, under a lock of its own: who appends does not wait for it.
 */
import { closeSync, openSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../system/clock.ts';
import { tryLock } from '../system/lock.ts';
import type { AuditKey } from './audit-key.ts';
import { compressSegment, removeUnfinished } from './compress.ts';
import { syncDirectory } from './head.ts';
import { firstRecord } from './lines.ts';
import { fileOf, listSegments, type Segment, sizeOf, TRAIL_FILE } from './segments.ts';
import { encodeTombstone } from './tombstone.ts';
import type { Trail } from './trail.ts';

const LOCK_FILE = 'upkeep.lock';
const DAY_MS = 86_400_000;

/** What is kept, and how. */
export interface Keeping {
  readonly compress: boolean;
  /** Days that a record is kept; undefined: for ever. */
  readonly keepDays: number | undefined;
  /** Bytes that the trail may have on the disk; undefined: any. */
  readonly keepSize: number | undefined;
}

export interface UpkeepOptions extends Keeping {
  readonly clock: Pick<Clock, 'now'>;
  /** Where the tombstones go. */
  readonly trail: Pick<Trail, 'append'>;
  /** Signs them. Throws `state_unwritable`, and then nothing is removed. */
  readonly key: () => AuditKey;
  readonly signal?: AbortSignal;
}

/** A segment that is to go: the number of its last record and the hash of that one's line. */
interface Leaving {
  readonly segment: Segment;
  readonly last: number;
  readonly hash: string;
}

/** From the oldest on, what is older than it is to be kept or makes the whole too large; each needs a record after it that continues it. */
async function leaving(directory: string, { clock, keepDays, keepSize }: UpkeepOptions): Promise<Leaving[]> {
  if (keepDays === undefined && keepSize === undefined) return [];
  const segments = listSegments(directory);
  const sizes = segments.map((segment) => sizeOf(join(directory, fileOf(segment))));
  let total = sizes.reduce((sum, size) => sum + size, sizeOf(join(directory, TRAIL_FILE)));
  const oldest = new Date(clock.now() - (keepDays ?? 0) * DAY_MS).toISOString();
  const found: Leaving[] = [];
  for (const [index, segment] of segments.entries()) {
    const next = await firstRecord(directory, segments[index + 1]);
    if (next === undefined || next.seq <= segment.firstSeq) break;
    const tooOld = keepDays !== undefined && next.ts < oldest;
    const tooMuch = keepSize !== undefined && total > keepSize;
    if (!tooOld && !tooMuch) break;
    found.push({ segment, last: next.seq - 1, hash: next.prev });
    total -= sizes[index] ?? 0;
  }
  return found;
}

async function retire(directory: string, options: UpkeepOptions): Promise<void> {
  const going = await leaving(directory, options);
  if (going.length === 0) return;
  const key = options.key();
  const ts = new Date(options.clock.now()).toISOString();
  await Promise.all(
    going.map(({ segment, last, hash }) => {
      const said = { first: segment.firstSeq, last, hash, ts };
      const tombstone = encodeTombstone(said, key, (bytes) => key.sign(bytes));
      return options.trail.append({
        event: 'trail.removed',
        phase: 'single',
        outcome: 'ok',
        tombstone,
        message: fileOf(segment),
      });
    }),
  );
  for (const { segment } of going) await unlink(join(directory, fileOf(segment)));
  syncDirectory(directory);
}

/**
 * Removes and compresses what is due in `directory` (`<state_dir>/audit`). False: another process is at it. Throws what the trail's `append`,
 * the key and the system throw, and then the rest is left for the next time.
 */
export async function upkeep(directory: string, options: UpkeepOptions): Promise<boolean> {
  if (listSegments(directory).length === 0) return true;
  const fd = openSync(join(directory, LOCK_FILE), 'a', 0o600);
  try {
    if (!tryLock(fd)) return false;
    await removeUnfinished(directory);
    await retire(directory, options);
    if (options.compress) {
      for (const segment of listSegments(directory).slice(0, -1)) {
        if (!segment.compressed) await compressSegment(directory, segment, options.signal);
      }
    }
    return true;
  } finally {
    closeSync(fd);
  }
}
