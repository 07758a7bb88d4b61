/** The daemon itself beside an empty node process: start, idle CPU, resident memory after 10,000 and 20,000 logins. */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { minimalEnvironment } from '../test/support/process.ts';
import { DAEMON_FLAGS } from '../test/support/warden.ts';
import { type RawParts, rawLogin, startRawParts, untilAccepting } from './parts.ts';
import { cpuMs, resident, ticks } from './process-figures.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { mean, median } from './statistics.ts';

const STARTS = 20;
const LOGINS = 10_000;
const IDLE_MS = 10_000;
/** After the last login: the wiper's collection, and whatever V8 gives back by itself. */
const SETTLE_MS = 5_000;

function ended(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => child.once('exit', resolve));
}

/** What an empty node process needs. */
async function emptyNode(): Promise<{ readonly memory: number }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1e9)'], {
    stdio: 'ignore',
    env: minimalEnvironment(),
  });
  await sleep(SETTLE_MS);
  const memory = resident(child.pid ?? 0);
  child.kill('SIGKILL');
  await ended(child);
  return { memory };
}

/** Start of the daemon to its first connection, and of `node -e 0` to its end, in turns. Milliseconds. */
async function starts({ warden, bao }: RawParts): Promise<{ daemon: number[]; node: number[] }> {
  const daemon: number[] = [];
  const node: number[] = [];
  const env = minimalEnvironment({
    HOME: warden.dir.path,
    WARDEN_CONFIG: warden.configFile,
    WARDEN_TEST_TOKEN: bao.token,
  });
  for (let i = -2; i < STARTS; i += 1) {
    const began = performance.now();
    const child = spawn(process.execPath, [...DAEMON_FLAGS, 'dist/agent.mjs'], { stdio: 'ignore', env });
    await untilAccepting(warden.socket);
    const ready = performance.now() - began;
    await sleep(200);
    child.kill('SIGTERM');
    await ended(child);
    const before = performance.now();
    await ended(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore', env }));
    if (i < 0) continue;
    daemon.push(ready);
    node.push(performance.now() - before);
  }
  return { daemon, node };
}

async function logins({ warden, hostKey }: RawParts, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await rawLogin(warden.socket, hostKey);
}

async function run(): Promise<readonly Figure[]> {
  const empty = await emptyNode();
  const parts = await startRawParts();
  try {
    await parts.warden.stop();
    const { daemon, node } = await starts(parts);
    await parts.warden.start();
    const pid = parts.warden.pid ?? 0;
    await sleep(SETTLE_MS);
    const fresh = resident(pid);
    const memory: number[] = [];
    const cpu: number[] = [];
    for (const _half of [1, 2]) {
      const before = cpuMs(pid);
      await logins(parts, LOGINS);
      cpu.push(cpuMs(pid) - before);
      await sleep(SETTLE_MS);
      memory.push(resident(pid));
    }
    const idle = ticks(pid);
    await sleep(IDLE_MS);
    const idled = ticks(pid) - idle;
    const [atTen = Number.NaN, atTwenty = Number.NaN] = memory;
    return [
      {
        name: 'socket takes connections, beside `node -e 0`',
        value: median(daemon) / median(node),
        unit: '×',
        atMost: 2,
        beside: `${digits(median(daemon))} ms; node ${digits(median(node))} ms`,
      },
      {
        name: 'resident memory after 10,000 logins, beside an empty node process',
        value: atTen / empty.memory,
        unit: '×',
        atMost: 2.2,
        beside: `${digits(atTen)} MiB (fresh ${digits(fresh)}); node ${digits(empty.memory)} MiB`,
      },
      {
        name: 'resident memory after 20,000 logins, beside after 10,000',
        value: atTwenty / atTen,
        unit: '×',
        // Flat, as far as pages of some MiB can be.
        atMost: 1.05,
        beside: `${digits(atTwenty)} MiB; ${digits(atTen)} MiB`,
      },
      {
        name: 'CPU of the daemon for one login (bind, list, mint, signature)',
        value: mean(cpu) / LOGINS,
        unit: 'ms',
        beside: `clock ticks of 10 ms over 2 × ${LOGINS} logins`,
      },
      {
        name: `CPU when idle, over ${IDLE_MS / 1000} s`,
        value: idled,
        unit: 'ticks',
        atMost: 0,
        beside: 'utime + stime of /proc/PID/stat',
      },
    ];
  } finally {
    await parts.remove();
  }
}

export const daemonBench: Bench = {
  name: 'daemon',
  about: 'start, memory and idle CPU, beside an empty node process',
  run,
};
