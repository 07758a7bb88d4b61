/**
 * Durable appends to the trail, one after the other and many at a time, beside the disk's own rate of fdatasync; verification beside sha256sum of
 * the same bytes, of trails of three sizes.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/system/clock.ts';
import type { RecordInput } from '../src/trail/record.ts';
import { Trail } from '../src/trail/trail.ts';
import { upkeep } from '../src/trail/upkeep.ts';
import { verifyTrail } from '../src/trail/verify.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { openDisk } from './disk.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

const BLOCKS = 8;
const BLOCK_MS = 400;
const TOGETHER = 64;
const MANY_TOGETHER = 1_000;
const SIZES = [10_000, 100_000, 1_000_000];

const RECORD: RecordInput = {
  event: 'cert.intent',
  phase: 'intent',
  corr: '01JBENCHBENCHBENCHBENCHBEN',
  actor: { type: 'adm', id: 'adm-bench' },
  caller: { uid: 1000, pid: 4242, exe: '/usr/bin/ssh' },
  host: 'bench.example.com',
  source: 'known_hosts /home/bench/.ssh/known_hosts:1',
  lane: 'web',
  cert: { fp: `SHA256:${'b'.repeat(43)}`, principals: ['ops'] },
  bao: { mount: 'ssh', role: 'warden-jit' },
};

/** Calls `once` over and over, `together` at a time, for a block; returns how many ended in a second. */
async function rate(together: number, once: () => unknown): Promise<number> {
  const began = performance.now();
  let count = 0;
  const loop = async () => {
    while (performance.now() - began < BLOCK_MS) {
      await once();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: together }, loop));
  return (count * 1000) / (performance.now() - began);
}

/** What a login leaves in the trail: three records of the length that they have. */
function login(i: number): RecordInput[] {
  const corr = `01JBENCH${String(i).padStart(18, '0')}`;
  const host = `web${i % 500}.prod.example.com`;
  const own = { corr, actor: RECORD.actor, host, lane: 'prod-hosts' } as const;
  const bao = { mount: 'ssh', role: 'warden-jit-adm', address: 'https://bao.example.com:8200' };
  const cert = { fp: `SHA256:${'b'.repeat(43)}`, principals: ['ops'] };
  const more = {
    serial: String(1e15 + i),
    key_id: 'vault-token-bench-5f1a8d',
    ca_fp: `SHA256:${'c'.repeat(43)}`,
    valid_after: '2026-11-26T00:00:00.000Z',
    valid_before: '2026-11-26T00:02:00.000Z',
    options: { 'permit-pty': '' },
  };
  const request_id = `0b0e0c52-7a5e-4d2f-9a53-${String(i).padStart(12, '0')}`;
  const { caller, source } = RECORD;
  return [
    { event: 'cert.intent', phase: 'intent', ...own, caller, source, cert, bao },
    {
      event: 'cert.issued',
      phase: 'result',
      outcome: 'ok',
      ...own,
      cert: { ...cert, ...more },
      bao: { ...bao, request_id },
    },
    { event: 'cert.used', phase: 'single', outcome: 'ok', ...own, target: 'ops' },
  ];
}

/** Appends so many records, a thousand at a time; returns how many in a second. */
async function write(trail: Trail, count: number): Promise<number> {
  const began = performance.now();
  let next = 0;
  const logins = Math.ceil(count / 3);
  const loop = async () => {
    while (next < logins) {
      next += 1;
      // The three of one login do not come at once, those of others do.
      for (const record of login(next)) await trail.append(record);
    }
  };
  await Promise.all(Array.from({ length: MANY_TOGETHER }, loop));
  return (logins * 3000) / (performance.now() - began);
}

/** Records verified in a second, and what `sha256sum` takes for the same bytes beside it, in shares of that time. */
async function verify(directory: string, times: number) {
  const [rates, ratios]: [number[], number[]] = [[], []];
  const names = readdirSync(directory).filter((name) => name.startsWith('trail'));
  for (let i = 0; i < times; i += 1) {
    const began = performance.now();
    const { records, intact } = await verifyTrail(directory);
    const took = performance.now() - began;
    if (!intact) throw new Error('the trail is not intact');
    const summing = performance.now();
    execFileSync('sha256sum', names, { cwd: directory, stdio: 'pipe' });
    ratios.push(took / (performance.now() - summing));
    rates.push((records * 1000) / took);
  }
  return { rate: median(rates), ratio: median(ratios) };
}

/** Appending and verifying at 10 k, 100 k and a million records: whether the cost grows with them. */
async function growing(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const count of SIZES) {
    const directory = tempDirectory('bench-trail-');
    const audit = directory.join('audit');
    const disk = openDisk(directory.join('disk'));
    const trail = new Trail(audit, { clock: systemClock });
    try {
      const own = await rate(1, async () => disk.sync());
      const appended = await write(trail, count);
      const title = `${count / 1000} k records`;
      figures.push({
        name: `durable appends, ${title}, ${MANY_TOGETHER} at a time`,
        value: appended,
        unit: '/s',
        atLeast: 20_000,
        beside: `${digits(appended / own)} × the disk's fdatasync, ${digits(own)}/s`,
      });
      const times = count > 100_000 ? 3 : 7;
      const row = (name: string, { rate: records, ratio }: Awaited<ReturnType<typeof verify>>, of: string) =>
        figures.push({
          name,
          value: records,
          unit: '/s',
          atLeast: 300_000,
          beside: `${digits(ratio)} × the time of sha256sum over ${of}; ${times} rounds`,
        });
      row(`\`audit verify\`, ${title}`, await verify(audit, times), 'the same bytes');
      if (count !== SIZES.at(-1)) continue;
      const keeping = { compress: true, keepDays: undefined, keepSize: undefined };
      const key = () => {
        throw new Error('nothing is removed');
      };
      await upkeep(audit, { ...keeping, clock: systemClock, trail, key });
      row('the same, compressed', await verify(audit, times), 'the compressed bytes');
    } finally {
      await trail.close();
      disk.close();
      directory.remove();
    }
  }
  return figures;
}

async function run(): Promise<readonly Figure[]> {
  const directory = tempDirectory('bench-');
  const trail = new Trail(directory.join('audit'), { clock: systemClock });
  const disk = openDisk(directory.join('disk'));
  try {
    const [single, grouped, syncs]: [number[], number[], number[]] = [[], [], []];
    await rate(1, () => trail.append(RECORD));
    for (let block = 0; block < BLOCKS; block += 1) {
      syncs.push(await rate(1, async () => disk.sync()));
      single.push(await rate(1, () => trail.append(RECORD)));
      grouped.push(await rate(TOGETHER, () => trail.append(RECORD)));
      await sleep(50);
    }
    const own = median(syncs);
    const figure = (name: string, value: number): Figure => ({
      name,
      value: value / own,
      unit: '×',
      beside: `${digits(value)}/s; the disk's fdatasync ${digits(own)}/s`,
    });
    return [
      figure('durable appends one after the other', median(single)),
      figure(`durable appends, ${TOGETHER} at a time`, median(grouped)),
      ...(await growing()),
    ];
  } finally {
    await trail.close();
    disk.close();
    directory.remove();
  }
}

export const trailBench: Bench = {
  name: 'trail',
  about: "durable appends, beside the disk's own fdatasync; verification, beside sha256sum",
  run,
};
