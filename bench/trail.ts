/** Durable appends to the trail, one after the other and 64 at a time, beside the disk's own rate of fdatasync. In turns, in short blocks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/system/clock.ts';
import type { RecordInput } from '../src/trail/record.ts';
import { Trail } from '../src/trail/trail.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { openDisk } from './disk.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

const BLOCKS = 8;
const BLOCK_MS = 400;
const TOGETHER = 64;

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
    ];
  } finally {
    await trail.close();
    disk.close();
    directory.remove();
  }
}

export const trailBench: Bench = {
  name: 'trail',
  about: "durable appends, beside the disk's own fdatasync",
  run,
};
