/** `warden posture check` of 100 saved hosts: real `sshd -T` output of one, for it and three users, in 100 directories. */
import { cpSync, mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { startLabOpenBao } from '../src/lab/openbao.ts';
import { makeKey } from '../test/support/keys.ts';
import { mustRun } from '../test/support/process.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { LAUNCHER, startWarden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { median } from './statistics.ts';

const HOSTS = 100;
const ROUNDS = 20;

async function run(): Promise<readonly Figure[]> {
  const bao = await startLabOpenBao();
  const directory = tempDirectory('bench-posture-');
  const warden = await startWarden({
    openbao: { addr: bao.url, token: bao.tokens.create('bench') },
    lanes: { web: { hosts: ['bench.example.com'], logins: ['ops'], role: 'bench' } },
    principals: ['ops'],
    knownHosts: [],
  });
  try {
    const key = await makeKey(directory.path, 'host');
    mkdirSync(directory.join('principals'));
    for (const user of ['ops', 'deploy', 'root']) directory.write(`principals/${user}`, 'ops\n', 0o644);
    const config = directory.write(
      'sshd_config',
      `HostKey ${key.path}\nAuthorizedPrincipalsFile ${directory.join('principals')}/%u\nTrustedUserCAKeys ${key.path}.pub\n`,
    );
    mkdirSync(directory.join('one'));
    const save = '"$0" "$(date +%s)" -f "$1" | tar -x -C "$2"';
    await mustRun('sh', ['-c', save, resolve('scripts/host-facts'), config, directory.join('one')]);
    for (let i = 0; i < HOSTS; i += 1)
      cpSync(directory.join('one'), directory.join('hosts', `web${i}`), { recursive: true });
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile, WARDEN_TEST_TOKEN: 'none' };
    const [node = [], times = []] = await rounds(ROUNDS, [
      { argv: [process.execPath, '-e', '0'], env },
      // They have findings: exit 1.
      { argv: [LAUNCHER, 'posture', 'check', '--host', directory.join('hosts')], env, code: 1 },
    ]);
    return [
      {
        name: `\`warden posture check\` of ${HOSTS} saved hosts`,
        value: median(times),
        unit: 'ms',
        atMost: 2000,
        beside: `\`node -e 0\` ${digits(median(node))} ms; ${ROUNDS} rounds`,
      },
    ];
  } finally {
    await warden.remove();
    await bao.stop();
    directory.remove();
  }
}

export const postureBench: Bench = { name: 'posture', about: '100 saved hosts judged', run };
