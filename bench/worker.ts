/** `warden worker run` over a thousand messages with the rule brain: time and memory, from the launcher to its end, on the shipped catalog. */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { type LabHub, startLabHub } from '../src/lab/hub.ts';
import { PHRASINGS } from '../test/support/phrasings.ts';
import { start } from '../test/support/process.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { LAUNCHER } from '../test/support/warden.ts';
import { cpuMs, highWater } from './process-figures.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

const MESSAGES = 1_000;
const ROUNDS = 3;
const GOAL_MS = 5_000;
const GOAL_MIB = 150;
const LOOK_MS = 10;

const TIERS = [['--dry-run'], ['--execute'], ['--execute', '--full-auto']] as const;
const NEEDS = Object.values(PHRASINGS).flat();
const STATUS = 'The rollout went on through the night and all services are up; the backlog is empty. ';

/** Three of five ask, one wants something done, one is long and asks nothing. */
function bodyOf(number: number): string {
  if (number % 5 === 3) return 'Please rotate the token of the registry and tell me when it is done.';
  if (number % 5 === 4) return STATUS.repeat(10);
  return `Hello, we are setting up a new runner. ${NEEDS[number % NEEDS.length]}? Thanks.`;
}

function fill(hub: LabHub): void {
  for (let i = 0; i < MESSAGES; i += 1)
    hub.put({ id: `m${i}`, from_agent: `agt-${i}`, subject: `question ${i}`, body: bodyOf(i) });
}

interface Ran {
  readonly ms: number;
  /** The most that was resident at once. */
  readonly mib: number;
  /** User and system time. */
  readonly cpuMs: number;
  readonly heading: string;
}

async function once(tier: readonly string[]): Promise<Ran> {
  const hub = await startLabHub();
  fill(hub);
  const home = tempDirectory('wb-');
  mkdirSync(home.join('run'), { mode: 0o700 });
  const config = home.write(
    'warden.yaml',
    stringify({ state_dir: home.join('state'), worker: { hub_url: hub.url } }),
  );
  const env = { HOME: home.path, XDG_RUNTIME_DIR: home.join('run'), WARDEN_CONFIG: config };
  try {
    const began = performance.now();
    const child = start(LAUNCHER, ['worker', 'run', ...tier], { env, stdin: '' });
    let running = true;
    let mib = 0;
    let cpu = 0;
    const ended = child.ended.then((result) => {
      running = false;
      return { result, ms: performance.now() - began };
    });
    while (running) {
      mib = Math.max(
        mib,
        of(() => highWater(child.pid)),
      );
      cpu = Math.max(
        cpu,
        of(() => cpuMs(child.pid)),
      );
      await sleep(LOOK_MS);
    }
    const { result, ms } = await ended;
    if (result.code !== 0) throw new Error(`worker run ${tier.join(' ')}: ${result.code}\n${result.stderr}`);
    return { ms, mib, cpuMs: cpu, heading: result.stdout.trimEnd().split('\n').at(-1) ?? '' };
  } finally {
    await hub.stop();
    home.remove();
  }
}

/** A figure of a process; 0 once it has ended. */
function of(figure: () => number): number {
  try {
    return figure() || 0;
  } catch {
    return 0;
  }
}

async function run(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const tier of TIERS) {
    const ran: Ran[] = [];
    for (let round = 0; round < ROUNDS; round += 1) ran.push(await once(tier));
    const name = `\`worker run ${tier.join(' ')}\`, ${MESSAGES} messages`;
    const times = ran.map(({ ms }) => ms);
    figures.push(
      {
        name,
        value: median(times),
        unit: 'ms',
        atMost: GOAL_MS,
        beside: `${ROUNDS} rounds, the slowest ${digits(Math.max(...times))} ms; CPU ${digits(median(ran.map((each) => each.cpuMs)))} ms; ${ran[0]?.heading}`,
      },
      {
        name: `${name}: memory`,
        value: Math.max(...ran.map(({ mib }) => mib)),
        unit: 'MiB',
        atMost: GOAL_MIB,
        beside: '',
      },
    );
  }
  return figures;
}

export const workerBench: Bench = {
  name: 'worker',
  about: 'a thousand messages through the rule brain, in each tier',
  run,
};
