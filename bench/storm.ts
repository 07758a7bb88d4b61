/**
 * A thousand logins at once on the agent's side (bind, list, sign, close; the trail on, every check of a certificate on), beside the
 * same OpenBao asked by a bare keep-alive client. In turns, and all of it on the same cores: agent, OpenBao and whoever asks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { bareClient } from './bare-client.ts';
import { type RawParts, startRawParts } from './parts.ts';
import { cpuMs } from './process-figures.ts';
import { type LoginTimes, preparedLogin, prepareLogins, together } from './raw-client.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median, quantile } from './statistics.ts';

const LOGINS = 1_000;
const ROUNDS = 5;
const BARE_CONNECTIONS = 32;
/** Let the records that nobody waits for reach the disk, and OpenBao its rest. */
const SETTLE_MS = 500;

interface Storm {
  readonly times: readonly LoginTimes[];
  readonly lost: number;
  readonly perSecond: number;
  /** Milliseconds of CPU for each login. */
  readonly daemon: number;
  readonly bao: number;
}

/** A thousand logins at once. */
export async function storm({ warden, bao, hostKey }: RawParts): Promise<Storm> {
  const logins = prepareLogins(hostKey, LOGINS);
  const pid = warden.pid ?? 0;
  const times: LoginTimes[] = [];
  let lost = 0;
  const [daemonBefore, baoBefore, began] = [cpuMs(pid), cpuMs(bao.pid), performance.now()];
  await together(logins, LOGINS, async (login) => {
    try {
      times.push(await preparedLogin(warden.socket, login));
    } catch (thrown) {
      lost += 1;
      if (lost === 1) console.error(thrown);
    }
  });
  const took = performance.now() - began;
  await sleep(SETTLE_MS);
  return {
    times,
    lost,
    perSecond: (LOGINS * 1000) / took,
    daemon: (cpuMs(pid) - daemonBefore) / LOGINS,
    bao: (cpuMs(bao.pid) - baoBefore) / LOGINS,
  };
}

/** Certificates in a second by a bare client on so many kept connections. */
async function bareRate({ bao }: RawParts): Promise<number> {
  const bare = bareClient(bao, BARE_CONNECTIONS);
  const began = performance.now();
  await together(Array.from({ length: LOGINS }), BARE_CONNECTIONS, () => bare.post());
  const took = performance.now() - began;
  bare.close();
  await sleep(SETTLE_MS);
  return (LOGINS * 1000) / took;
}

async function run(): Promise<readonly Figure[]> {
  // A thousand wait for one OpenBao: the lane's usual three seconds are for one login.
  const parts = await startRawParts({ deadline: '30s' });
  try {
    await storm(parts);
    await bareRate(parts);
    const storms: Storm[] = [];
    const bare: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      storms.push(await storm(parts));
      bare.push(await bareRate(parts));
    }
    const lists = storms.flatMap(({ times }) => times.map(({ list }) => list));
    const wholes = storms.flatMap(({ times }) => times.map(({ whole }) => whole));
    const middle = (numbers: readonly number[], q: number) => digits(quantile(numbers, q));
    return [
      {
        name: `logins lost of ${ROUNDS} × ${LOGINS} at once`,
        value: storms.reduce((sum, { lost }) => sum + lost, 0),
        unit: 'lost',
        atMost: 0,
        beside: `list to certificate p50 ${middle(lists, 0.5)}, p99 ${middle(lists, 0.99)} ms; connect to signature p50 ${middle(wholes, 0.5)}, p99 ${middle(wholes, 0.99)} ms`,
      },
      {
        name: "CPU of the daemon for one minted login, beside OpenBao's for its sign",
        value: median(storms.map(({ daemon, bao }) => daemon / bao)),
        unit: '×',
        atMost: 1.3,
        beside: `${digits(median(storms.map(({ daemon }) => daemon)))} ms; OpenBao ${digits(median(storms.map(({ bao }) => bao)))} ms`,
      },
      {
        name: 'minted logins in a second, beside bare POSTs by a keep-alive client',
        value: median(storms.map(({ perSecond }, round) => perSecond / (bare[round] ?? Number.NaN))),
        unit: '×',
        atLeast: 0.7,
        beside: `${digits(median(storms.map(({ perSecond }) => perSecond)))}/s; bare ${digits(median(bare))}/s on ${BARE_CONNECTIONS} connections`,
      },
    ];
  } finally {
    await parts.remove();
  }
}

export const stormBench: Bench = {
  name: 'storm',
  about: '1,000 logins at once, beside OpenBao itself',
  run,
};
