/** The gate: a login through a real OPA on loopback beside one without, in pairs; and a thousand gated ones at once. */

import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { SHIPPED_POLICY, startOpa } from '../test/support/opa.ts';
import { startOpenBao } from '../test/support/openbao.ts';
import { sshArgv } from '../test/support/ssh.ts';
import { startSshd } from '../test/support/sshd.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { startWarden } from '../test/support/warden.ts';
import { RAW_LOGIN, startRawParts } from './parts.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { rounds } from './rounds.ts';
import { interval, median } from './statistics.ts';
import { storm } from './storm.ts';

const ROUNDS = 80;

async function run(): Promise<readonly Figure[]> {
  const directory = tempDirectory('bench-');
  const bao = await startOpenBao();
  const sshd = await startSshd({ userCas: [bao.caPublicKey] });
  const principals = [sshd.user, RAW_LOGIN];
  const actor = { type: 'adm', principals, ttl_hours: 1 };
  const data = directory.write('actors.json', JSON.stringify({ warden: { actors: { 'adm-test': actor } } }));
  const opa = await startOpa([SHIPPED_POLICY, data]);
  const policy = { enabled: true, engine: 'opa', url: opa.url };
  const options = {
    openbao: { addr: bao.addr, token: bao.token },
    lanes: { web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: bao.role } },
    principals: [sshd.user],
    knownHosts: [await writeKnownHosts(directory, sshd.knownHosts())],
  };
  const open = await startWarden(options);
  const gated = await startWarden({ ...options, policy });
  try {
    const argv = sshArgv({ port: sshd.port, knownHosts: options.knownHosts[0] ?? '' });
    const [without = [], through = []] = await rounds(ROUNDS, [
      { argv, env: { SSH_AUTH_SOCK: open.socket } },
      { argv, env: { SSH_AUTH_SOCK: gated.socket } },
    ]);
    const ratios = through.map((ms, i) => ms / (without[i] ?? ms));
    const [low, high] = interval(ratios, median);
    const parts = await startRawParts({ deadline: '60s', policy });
    const { lost, perSecond } = await storm(parts).finally(() => parts.remove());
    return [
      {
        name: 'a login through the gate',
        value: median(ratios),
        unit: '×',
        atMost: 1.05,
        beside: `${digits(median(through))} ms through OPA, ${digits(median(without))} ms without; ${ROUNDS} pairs [${digits(low)}, ${digits(high)}]`,
      },
      {
        name: 'of 1,000 gated logins at once',
        value: lost,
        unit: 'lost',
        atMost: 0,
        beside: `OPA on loopback, ${digits(perSecond)} logins/s`,
      },
    ];
  } finally {
    await gated.remove();
    await open.remove();
    await opa.stop();
    await sshd.stop();
    await bao.stop();
    directory.remove();
  }
}

export const gateBench: Bench = {
  name: 'gate',
  about: 'ssh through a gate (OPA) beside ssh without, and a thousand gated logins at once',
  run,
};
