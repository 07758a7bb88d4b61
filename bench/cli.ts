/** The small commands that people wait for, through the launcher as they are typed, beside an empty node. */
import { startLabOpenBao } from '../src/lab/openbao.ts';
import { LAUNCHER, startWarden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { median } from './statistics.ts';

const ROUNDS = 60;
const COMMANDS = [
  { words: ['--help'] },
  { words: ['status'] },
  // Nothing was refused: exit 1.
  { words: ['why'], code: 1 },
  { words: ['env'] },
] as const;
/** `env` is answered without Node. */
const GOALS: Readonly<Record<string, number>> = { env: 1 };
const GOAL = 1.6;

async function run(): Promise<readonly Figure[]> {
  const bao = await startLabOpenBao();
  const warden = await startWarden({
    openbao: { addr: bao.url, token: bao.tokens.create('bench') },
    lanes: { web: { hosts: ['bench.example.com'], logins: ['ops'], role: 'bench' } },
    principals: ['ops'],
    knownHosts: [],
  });
  try {
    // The daemon's socket is not in a usual place: XDG_RUNTIME_DIR has the signpost.
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile };
    const [node = [], ...times] = await rounds(ROUNDS, [
      { argv: [process.execPath, '-e', '0'], env },
      ...COMMANDS.map(({ words, ...rest }) => ({ argv: [LAUNCHER, ...words], env, ...rest })),
    ]);
    return COMMANDS.map(({ words: [word] }, i) => ({
      name: `\`warden ${word}\`, beside \`node -e 0\``,
      value: median(times[i] ?? []) / median(node),
      unit: '×',
      atMost: GOALS[word] ?? GOAL,
      beside: `${digits(median(times[i] ?? []))} ms; node ${digits(median(node))} ms; ${ROUNDS} rounds`,
    }));
  } finally {
    await warden.remove();
    await bao.stop();
  }
}

export const cliBench: Bench = {
  name: 'cli',
  about: 'the small commands, beside an empty node process',
  run,
};
