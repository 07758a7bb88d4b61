/** A daemon on a slow disk, whose wall clock jumps, or whose loop is stuck: a small library of ours (c/faults.c) between it and the C library. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Environment, findProgram, mustRun } from './process.ts';
import type { TempDirectory } from './temp.ts';

const SOURCE = fileURLToPath(new URL('c/faults.c', import.meta.url));

/** Why there is no such library, or undefined. */
export function preloadMissing(): string | undefined {
  if (process.platform !== 'linux') return 'LD_PRELOAD is tried on Linux only';
  return findProgram('cc') === undefined ? 'no C compiler on this machine' : undefined;
}

export interface Preload {
  /** For the process that is to be put under it. */
  readonly env: Environment;
  /** From now on every fdatasync(2) and fsync(2) takes so many milliseconds longer. */
  slowSync(ms: number): void;
  /** From now on the wall clock is so many milliseconds ahead. */
  clockAhead(ms: number): void;
  /** From now on every flock(2) takes so many milliseconds, whoever calls it: the daemon does in its event loop. */
  slowLock(ms: number): void;
}

/** Compiles the library into `directory`; nothing is wrong at first. */
export async function makePreload(directory: TempDirectory): Promise<Preload> {
  const library = directory.join('faults.so');
  await mustRun('cc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl']);
  const numbers = [0, 0, 0];
  const file = directory.join('faults');
  const write = () => {
    const bytes = Buffer.alloc(24);
    for (const [index, number] of numbers.entries()) bytes.writeBigInt64LE(BigInt(number), index * 8);
    // In place: the process has the file mapped.
    writeFileSync(file, bytes, { flag: 'r+' });
  };
  writeFileSync(file, Buffer.alloc(24));
  return {
    env: { LD_PRELOAD: library, FAULTS: file },
    slowSync(ms) {
      numbers[0] = ms;
      write();
    },
    slowLock(ms) {
      numbers[2] = ms;
      write();
    },
    clockAhead(ms) {
      numbers[1] = ms;
      write();
    },
  };
}
