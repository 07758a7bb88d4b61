/** The view over a million records beside a million lines each of OpenBao's and sshd's logs: a day of them, all of them, and how it grows. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { minimalEnvironment } from '../test/support/process.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { writeLogs } from './activity-logs.ts';
import { peakResident } from './process-figures.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

const SIZES = [10_000, 100_000, 1_000_000];
const DAYS = 30;
const ROUNDS = 5;
const END = Date.parse('2026-11-20T12:00:00Z');
const DAY = ['--since', '2026-11-10', '--until', '2026-11-11'];
const ALL = ['--since', '2026-10-01', '--until', '2026-11-21', '--anomalies'];

interface Run {
  readonly ms: number;
  readonly mib: number;
}

/** Runs `warden activity` to its end; throws where it ends with anything but 0. */
function activity(config: string, words: readonly string[]): Promise<Run> {
  return new Promise((done, reject) => {
    const began = performance.now();
    const child = spawn(
      process.execPath,
      [resolve('dist/warden.cjs'), 'activity', '--config', config, ...words],
      {
        stdio: ['ignore', 'ignore', 'ignore'],
        env: minimalEnvironment({ HOME: '/nonexistent' }),
      },
    );
    let mib = 0;
    const timer = setInterval(() => {
      mib = Math.max(mib, peakResident(child.pid ?? 0));
    }, 10);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearInterval(timer);
      if (code === 0) done({ ms: performance.now() - began, mib });
      else reject(new Error(`warden activity ${words.join(' ')} ended with ${code}`));
    });
  });
}

async function measure(records: number): Promise<{ readonly day: Run; readonly all: Run }> {
  const directory = tempDirectory('bench-activity-');
  try {
    const { stateDir, audit, sshd } = writeLogs(directory.path, records, DAYS, END);
    const config = directory.write(
      'warden.yaml',
      stringify({
        state_dir: stateDir,
        openbao: { ssh_ca: [`SHA256:${'c'.repeat(43)}`] },
        activity: {
          sources: [
            { type: 'openbao', path: audit },
            { type: 'sshd', path: sshd },
          ],
        },
      }),
    );
    const times = async (words: readonly string[], rounds: number) => {
      const runs: Run[] = [];
      for (let i = 0; i < rounds; i += 1) runs.push(await activity(config, words));
      return { ms: median(runs.map(({ ms }) => ms)), mib: Math.max(...runs.map(({ mib }) => mib)) };
    };
    return { day: await times(DAY, ROUNDS), all: await times(ALL, records >= 1_000_000 ? 2 : ROUNDS) };
  } finally {
    directory.remove();
  }
}

async function run(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const records of SIZES) {
    const { day, all } = await measure(records);
    const of = `${digits(records)} records and as many lines of each log, ${DAYS} days`;
    const whole = records === SIZES.at(-1);
    figures.push(
      {
        name: `\`warden activity\` of one day, ${of}`,
        value: day.ms,
        unit: 'ms',
        ...(whole ? { atMost: 1000 } : {}),
        beside: `${digits(day.mib)} MiB`,
      },
      {
        name: `\`warden activity --anomalies\` over all, ${of}`,
        value: all.ms,
        unit: 'ms',
        ...(whole ? { atMost: 10_000 } : {}),
        beside: `${digits(all.mib)} MiB; ${digits((all.ms * 1000) / records)} µs a record`,
      },
    );
    if (whole)
      figures.push({ name: 'memory for one day', value: day.mib, unit: 'MiB', atMost: 300, beside: of });
  }
  return figures;
}

export const activityBench: Bench = {
  name: 'activity',
  about: 'the view over a trail and two logs, a day of it and all of it, at three sizes',
  run,
};
