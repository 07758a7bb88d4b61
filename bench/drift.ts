/** `warden drift` over the files of 200 hosts, with inventory, lanes and a real OpenBao's roles. */
import { mkdirSync } from 'node:fs';
import { makeKey } from '../test/support/keys.ts';
import { startOpenBao } from '../test/support/openbao.ts';
import { mustRun } from '../test/support/process.ts';
import { sshdBinary } from '../test/support/sshd.ts';
import { LAUNCHER, startWarden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { median, quantile } from './statistics.ts';

const HOSTS = 200;
const USERS = ['root', 'deploy', 'backup', 'tunnel', 'ops'];
const ROUNDS = 15;

async function run(): Promise<readonly Figure[]> {
  const bao = await startOpenBao({ role: { allowed_users: 'ops', max_ttl: '2m', allowed_extensions: '' } });
  const hosts = Array.from({ length: HOSTS }, (_, i) => `web${i}.example.com`);
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token, settings: { ssh_ca: [bao.caFingerprint] } },
    lanes: { web: { hosts, logins: USERS, role: bao.role, principals: ['ops'], ttl: '2m' } },
    principals: ['ops'],
    knownHosts: [],
  });
  try {
    const { path: hostKey } = await makeKey(warden.dir.path, 'host');
    const settings = (await mustRun(sshdBinary() ?? 'sshd', ['-T', '-f', '/dev/null', '-h', hostKey]))
      .replace(/^trustedusercakeys .*$/m, 'trustedusercakeys /etc/ssh/ca/ca_user.pub')
      .replace(/^authorizedkeysfile .*$/m, 'authorizedkeysfile none');
    for (const host of hosts) {
      mkdirSync(warden.dir.join('hosts', host, 'auth_principals'), { recursive: true });
      for (const user of USERS) warden.dir.write(`hosts/${host}/auth_principals/${user}`, '# ours\nops\n');
      warden.dir.write(`hosts/${host}/sshd-T`, settings);
      warden.dir.write(`hosts/${host}/ca_user.pub`, `${bao.caPublicKey}\n`);
    }
    const [times = []] = await rounds(ROUNDS, [
      { argv: [LAUNCHER, 'drift', '--hosts', warden.dir.join('hosts')], env: warden.env },
    ]);
    return [
      {
        name: `\`warden drift\` over the files of ${HOSTS} hosts, in sync`,
        value: median(times),
        unit: 'ms',
        atMost: 2000,
        beside: `p90 ${digits(quantile(times, 0.9))} ms; ${USERS.length} users a host, \`sshd -T\` and a CA; ${ROUNDS} rounds`,
      },
    ];
  } finally {
    await warden.remove();
    await bao.stop();
  }
}

export const driftBench: Bench = {
  name: 'drift',
  about: `warden drift over the files of ${HOSTS} hosts`,
  run,
};
