/**
 * The leader of a cluster of three is killed in the middle of logins one after the other: how much longer than usual the longest takes, beside
 * the time that the cluster itself takes to have a leader again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { newHostKey } from '../test/support/binds.ts';
import { publicBlob } from '../test/support/keys.ts';
import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { setUpOpenBao } from '../test/support/openbao.ts';
import { startRaft } from '../test/support/raft.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { startWarden } from '../test/support/warden.ts';
import { RAW_HOST, RAW_LOGIN, rawLogin } from './parts.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median } from './statistics.ts';

const KILLS = 3;
const LOGINS_BEFORE = 100;
/** Logins go on for so long after there is a leader again. */
const AFTER_MS = 1_000;
/** Between two logins: one after the other without a pause they starve the election on a machine of two cores. */
const PAUSE_MS = 20;
/** A machine that is too busy for an election measures nothing. */
const ELECTION_DEADLINE_MS = 60_000;

async function run(): Promise<readonly Figure[]> {
  const directory = tempDirectory('bench-');
  const cluster = await startRaft(directory);
  const { addr } = await cluster.leader();
  const bao = await setUpOpenBao(addr, cluster.rootToken, { allowedUsers: [RAW_LOGIN] });
  const hostKey = newHostKey();
  const line = `${RAW_HOST} ssh-ed25519 ${publicBlob(hostKey).toString('base64')}`;
  const warden = await startWarden({
    openbao: { addr, token: bao.token, settings: { addr: cluster.nodes.map((node) => node.addr) } },
    lanes: { web: { hosts: [RAW_HOST], logins: [RAW_LOGIN], role: bao.role } },
    principals: [RAW_LOGIN],
    knownHosts: [await writeKnownHosts(directory, [line])],
    agent: { direct_peers: 'any' },
  });
  try {
    const usual: number[] = [];
    const longest: number[] = [];
    const elections: number[] = [];
    let lost = 0;
    const login = async () => {
      try {
        return await rawLogin(warden.socket, hostKey);
      } catch {
        lost += 1;
        return 0;
      }
    };
    for (let kill = 0; kill < KILLS; kill += 1) {
      await cluster.allVote();
      for (let i = 0; i < LOGINS_BEFORE; i += 1) usual.push(await login());
      const leader = await cluster.leader();
      const killed = performance.now();
      await leader.kill();
      let worst = 0;
      let isOver = false;
      const logins = (async () => {
        while (!isOver) {
          worst = Math.max(worst, await login());
          await sleep(PAUSE_MS);
        }
      })();
      try {
        while ((await cluster.leader().catch(() => undefined)) === undefined) {
          if (performance.now() - killed > ELECTION_DEADLINE_MS) throw new Error('no leader was elected');
          await sleep(10);
        }
        elections.push(performance.now() - killed);
        await sleep(AFTER_MS);
      } finally {
        isOver = true;
        await logins;
      }
      longest.push(worst);
      await leader.start();
    }
    const added = Math.max(...longest) - median(usual);
    return [
      {
        name: 'the leader of three nodes is killed: what the longest login takes more, beside the election',
        value: added / median(elections),
        unit: '×',
        atMost: 1.5,
        beside: `${digits(added)} ms more than ${digits(median(usual))}; elections ${elections.map(digits).join(', ')} ms`,
      },
      { name: 'logins lost meanwhile', value: lost, unit: 'lost', atMost: 0, beside: `${KILLS} kills` },
    ];
  } finally {
    await warden.remove();
    await cluster.stop();
    directory.remove();
  }
}

export const failoverBench: Bench = {
  name: 'failover',
  about: 'the leader of a cluster is killed in the middle of logins',
  run,
};
