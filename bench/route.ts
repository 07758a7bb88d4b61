/** `warden route find` among a thousand entries, through the launcher as it is typed, beside an empty node. */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { tempDirectory } from '../test/support/temp.ts';
import { LAUNCHER } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { median } from './statistics.ts';

const ROUNDS = 60;
const ENTRIES = 1000;
const GOAL = 1.6;
/** Files that have just changed are read anew each time. */
const SETTLE_MS = 1_500;

const SYSTEMS = [
  'billing',
  'search',
  'mail',
  'ledger',
  'catalogue',
  'portal',
  'metrics',
  'archive',
  'queue',
  'vision',
];
const THINGS = [
  'api key',
  'password',
  'signing key',
  'webhook secret',
  'token',
  'certificate',
  'dsn',
  'licence',
];

function entry(number: number) {
  const system = `${SYSTEMS[number % SYSTEMS.length]}${Math.floor(number / SYSTEMS.length)}`;
  const thing = THINGS[number % THINGS.length] ?? '';
  return {
    id: `${system}-${thing.replace(' ', '-')}`,
    title: `The ${thing} of ${system}`,
    need_keywords: [system, thing, `${system}-service`, `team${number % 37}`],
    owner_repo: `team${number % 37}`,
    status: 'active',
    reviewed: '2026-11-26',
    exec_capable: true,
    fetch_command: ['bao', 'kv', 'get', `-field=${thing.toUpperCase()}`, `workloads/${system}`],
  };
}

async function run(): Promise<readonly Figure[]> {
  const home = tempDirectory('wr-');
  try {
    mkdirSync(home.join('.config/warden/catalog'), { recursive: true, mode: 0o700 });
    for (let file = 0; file < 10; file += 1) {
      const entries = Array.from({ length: ENTRIES / 10 }, (_, at) => entry((file * ENTRIES) / 10 + at));
      home.write(`.config/warden/catalog/part${file}.yaml`, stringify({ entries }));
    }
    await sleep(SETTLE_MS);
    const env = { HOME: home.path, XDG_RUNTIME_DIR: home.path };
    const [node = [], found = [], typo = []] = await rounds(ROUNDS, [
      { argv: [process.execPath, '-e', '0'], env },
      { argv: [LAUNCHER, 'route', 'find', 'api key of billing20'], env },
      { argv: [LAUNCHER, 'route', 'find', 'webhok secret of serch41'], env },
    ]);
    const figure = (name: string, times: readonly number[], atMost?: number): Figure => ({
      name,
      value: median(times) / median(node),
      unit: '×',
      ...(atMost === undefined ? {} : { atMost }),
      beside: `${digits(median(times))} ms; node ${digits(median(node))} ms; ${ROUNDS} rounds`,
    });
    return [
      figure('`warden route find` among 1,000 entries, beside `node -e 0`', found, GOAL),
      figure('the same with two words mistyped', typo, GOAL),
    ];
  } finally {
    home.remove();
  }
}

export const routeBench: Bench = {
  name: 'route',
  about: 'warden route find among 1,000 entries, beside an empty node process',
  run,
};
