/** What connections that say nothing cost: the CPU of a login beside one, a thousand and ten thousand of them, and their memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type RawParts, startRawParts } from './parts.ts';
import { cpuMs, resident } from './process-figures.ts';
import { preparedLogin, prepareLogins, RawClient, together } from './raw-client.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

/** Both ends need a descriptor for each: `ulimit -n` must be larger. */
const MOST = 10_000;
const IDLE = [MOST, 1_000, 1] as const;
const LOGINS = 500;
const ROUNDS = 3;
const AT_ONCE = 8;
/** The listener's queue is shorter than ten thousand. */
const DIALS_AT_ONCE = 64;
const SETTLE_MS = 3_000;

/** Milliseconds of the daemon's CPU for one login. */
async function costOfLogin({ warden, hostKey }: RawParts): Promise<number> {
  const logins = prepareLogins(hostKey, LOGINS);
  const before = cpuMs(warden.pid ?? 0);
  await together(logins, AT_ONCE, (login) => preparedLogin(warden.socket, login));
  await sleep(SETTLE_MS / 3);
  return (cpuMs(warden.pid ?? 0) - before) / LOGINS;
}

async function run(): Promise<readonly Figure[]> {
  const parts = await startRawParts();
  const { warden } = parts;
  let idle: RawClient[] = [];
  try {
    // Before any login: what logins leave behind in the heap would be taken for room.
    await sleep(SETTLE_MS);
    const before = resident(warden.pid ?? 0);
    const dials = Array.from({ length: MOST }, () => warden.socket);
    idle = await together(dials, DIALS_AT_ONCE, (path) => RawClient.connect(path));
    await sleep(SETTLE_MS);
    const memory = ((resident(warden.pid ?? 0) - before) * 1024) / MOST;
    await costOfLogin(parts);
    const costs = new Map<number, number>();
    for (const count of IDLE) {
      for (const client of idle.splice(count)) client.close();
      await sleep(SETTLE_MS);
      const each: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) each.push(await costOfLogin(parts));
      costs.set(count, median(each));
    }
    const one = costs.get(1) ?? Number.NaN;
    const beside = (count: number): Figure => {
      const cost = costs.get(count) ?? Number.NaN;
      return {
        name: `CPU of a login beside ${count} idle connections, beside one`,
        value: cost / one,
        unit: '×',
        // Flat, as far as a shared machine can tell.
        atMost: 1.1,
        beside: `${digits(cost)} ms; ${digits(one)} ms`,
      };
    };
    return [
      beside(MOST),
      beside(1_000),
      {
        name: 'resident memory of one idle connection',
        value: memory,
        unit: 'kB',
        atMost: 20,
        beside: `${MOST} of them; the daemon without ${digits(before)} MiB`,
      },
    ];
  } finally {
    for (const client of idle) client.close();
    await parts.remove();
  }
}

export const connectionsBench: Bench = {
  name: 'connections',
  about: 'logins and memory beside 1, 1,000 and 10,000 idle connections',
  run,
};
