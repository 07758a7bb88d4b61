/**
 * A crash at any instruction, step by step: whatever changes the disk counts, and from a certain step on nothing does any more. (A kill in the
 * middle of a write: processes.test.ts.) What is left must be a whole trail with all that was acknowledged, for readers and for the next writer.
 */
import type * as fs from 'node:fs';
import type * as promises from 'node:fs/promises';

import { expect, it, vi } from 'vitest';
import { listSegments } from '../../../src/trail/segments.ts';
import { upkeep } from '../../../src/trail/upkeep.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { mint, segmented, seqsOf } from './fixture.ts';

const steps = vi.hoisted(() => ({ left: Number.POSITIVE_INFINITY, taken: 0 }));

/** Counts a call; throws once there are none left. */
const step = vi.hoisted(() => () => {
  if (steps.left <= 0) throw new Error('crashed');
  steps.left -= 1;
  steps.taken += 1;
});

vi.mock('node:fs', async (importOriginal) => {
  const original = await importOriginal<typeof fs>();
  const counted = <A extends unknown[], R>(real: (...args: A) => R) => {
    return (...args: A): R => {
      step();
      return real(...args);
    };
  };
  return {
    ...original,
    writeSync: counted(original.writeSync),
    renameSync: counted(original.renameSync),
    linkSync: counted(original.linkSync),
    unlinkSync: counted(original.unlinkSync),
    ftruncateSync: counted(original.ftruncateSync),
    openSync: counted(original.openSync),
    fsyncSync: counted(original.fsyncSync),
    createWriteStream: counted(original.createWriteStream),
    fdatasync: (fd: number, done: (error: Error | null) => void) => {
      try {
        step();
      } catch (thrown) {
        done(thrown instanceof Error ? thrown : null);
        return;
      }
      original.fdatasync(fd, done);
    },
  };
});

vi.mock('node:fs/promises', async (importOriginal) => {
  const original = await importOriginal<typeof promises>();
  return {
    ...original,
    rename: async (from: string, to: string) => {
      step();
      await original.rename(from, to);
    },
    unlink: async (path: string) => {
      step();
      await original.unlink(path);
    },
  };
});

/** Several segments, compression, more of them, retention; what was acknowledged, until the crash. */
async function life({ directory, open, clock, key }: ReturnType<typeof segmented>): Promise<number[]> {
  const trail = open();
  const acknowledged: number[] = [];
  const fill = async (count: number) => {
    for (let i = 0; i < count; i += 1)
      acknowledged.push((await trail.append(mint(`corr-${i}`, 'result'))).seq);
  };
  const keep = (keepSize: number | undefined) =>
    upkeep(directory, { compress: true, keepDays: undefined, keepSize, clock, trail, key: () => key });
  try {
    await fill(7);
    await keep(undefined);
    await fill(3);
    await keep(3_500);
    await fill(1);
  } catch (thrown) {
    if (steps.left > 0) throw thrown;
  } finally {
    await trail.close();
  }
  return acknowledged;
}

it('at each step of appending, closing, compressing and removing', { timeout: 180_000 }, async () => {
  const undisturbed = segmented();
  steps.taken = 0;
  await life(undisturbed);
  const all = steps.taken;
  expect(all).toBeGreaterThan(40);
  expect(listSegments(undisturbed.directory).length).toBeGreaterThan(0);
  expect(await verifyTrail(undisturbed.directory)).toMatchObject({ removed: { anchors: 0 } });
  for (let at = 0; at < all; at += 1) {
    const made = segmented();
    const { directory, key } = made;
    steps.left = at;
    const acknowledged = await life(made);
    steps.left = Number.POSITIVE_INFINITY;
    const isWhole = async (when: string) => {
      const verified = await verifyTrail(directory, { key });
      expect(verified.problems, `step ${at}, ${when}`).toEqual([]);
      const { seqs } = await seqsOf(directory);
      const there = new Set(seqs);
      const removed = verified.removed?.last ?? 0;
      expect(
        acknowledged.filter((seq) => seq > removed && !there.has(seq)),
        `step ${at}, ${when}`,
      ).toEqual([]);
    };
    await isWhole('as it was left');
    await life(made);
    await isWhole('gone on with');
  }
});
