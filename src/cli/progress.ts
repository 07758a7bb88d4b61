/** A bar on the terminal while something takes longer than a second; nothing where standard error is none. */
import { performance } from 'node:perf_hooks';

const FIRST_MS = 1_000;
const EVERY_MS = 100;
const WIDTH = 30;

export interface Progress {
  /** How far it is; `total` may change. */
  at(done: number, total: number): void;
  /** Takes the bar away. */
  end(): void;
}

/** `what` is said before the bar. */
export function progress(
  what: string,
  out: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  let next = now() + FIRST_MS;
  let drawn = false;
  return {
    at(done, total) {
      if (!out.isTTY || now() < next) return;
      next = now() + EVERY_MS;
      drawn = true;
      const part = total === 0 ? 0 : Math.min(1, done / total);
      const filled = Math.floor(part * WIDTH);
      const bar = '#'.repeat(filled).padEnd(WIDTH, '.');
      out.write(`\r${what} [${bar}] ${String(Math.floor(part * 100)).padStart(3)} %\x1b[K`);
    },
    end() {
      if (drawn) out.write('\r\x1b[K');
      drawn = false;
    },
  };
}
