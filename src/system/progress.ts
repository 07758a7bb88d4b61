/** A bar on the terminal for what takes longer than a second; nothing elsewhere. */

const WAIT_MS = 1000;
const EVERY_MS = 100;
const WIDTH = 30;

export interface Progress {
  update(done: number, all: number): void;
  /** Takes the bar away. */
  end(): void;
}

/** On standard error. */
export function progressBar(what: string): Progress {
  const began = performance.now();
  let next = began + WAIT_MS;
  let shown = false;
  return {
    update(done, all) {
      const now = performance.now();
      if (!process.stderr.isTTY || now < next || all === 0) return;
      next = now + EVERY_MS;
      shown = true;
      const full = Math.min(WIDTH, Math.floor((done / all) * WIDTH));
      const percent = Math.min(100, Math.floor((done / all) * 100));
      process.stderr.write(`\r${what} [${'#'.repeat(full)}${' '.repeat(WIDTH - full)}] ${percent} %`);
    },
    end() {
      if (shown) process.stderr.write('\r\u001b[K');
    },
  };
}
