/**
 * OpenBao as it is run in earnest: three nodes with Raft, whose leader is killed in the middle of 200 logins, and tokens that live for five
 * seconds. No login fails.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { JIT_ROLE, setUpOpenBao } from '../support/openbao.ts';
import { type RaftCluster, startRaft } from '../support/raft.ts';
import { realPartsMissing } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';

const LOGINS = 200;
/** ssh processes at a time: a test machine has few cores, and each ssh takes one. */
const AT_ONCE = 20;

const missing = realPartsMissing();
const directory = tempDirectory('raft-');
let cluster: RaftCluster;
let sshd: Sshd;
let knownHosts: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  cluster = await startRaft(directory);
  const { addr } = await cluster.leader();
  const { api, caPublicKey } = await setUpOpenBao(addr, cluster.rootToken);
  sshd = await startSshd({ userCas: [caPublicKey] });
  await api('POST', 'sys/auth/approle', { type: 'approle' });
  for (const [name, token_ttl] of [
    ['short', '5s'],
    ['long', '5m'],
  ] as const)
    await api('POST', `auth/approle/role/${name}`, { token_policies: JIT_ROLE, token_ttl });
  knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await sshd?.stop();
  await cluster?.stop();
  directory.remove();
});

async function startAs(role: 'short' | 'long'): Promise<Warden> {
  const { addr } = await cluster.leader();
  const data = z.object({ data: z.record(z.string(), z.unknown()) });
  const roleId = await cluster.api(addr, 'GET', `auth/approle/role/${role}/role-id`);
  const secretId = await cluster.api(addr, 'POST', `auth/approle/role/${role}/secret-id`);
  const role_id = String(data.parse(roleId.json).data['role_id']);
  const file = directory.write(`secret-id-${role}`, String(data.parse(secretId.json).data['secret_id']));
  const addresses = cluster.nodes.map((node) => node.addr);
  return startWarden({
    openbao: {
      addr,
      settings: {
        addr: addresses,
        auth: { method: 'approle', role_id, secret_id_file: file },
      },
    },
    // A loaded test machine: the lane gives it time.
    lanes: {
      web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: JIT_ROLE, deadline: '20s' },
    },
    principals: [sshd.user],
    knownHosts: [knownHosts],
  });
}

function login(warden: Warden) {
  const where = { port: sshd.port, agent: warden.socket, knownHosts };
  return ssh({ ...where, connectTimeout: 60, deadline: 120_000 });
}

/** Which node signed, how often. */
function signers(warden: Warden): Map<string, number> {
  const granted = warden.trail().filter(({ event }) => event === 'cert.issued');
  const counts = new Map<string, number>();
  for (const { bao } of granted) counts.set(bao?.address ?? '', (counts.get(bao?.address ?? '') ?? 0) + 1);
  return counts;
}

test('tokens that live for five seconds, through a minute of logins: none fails', async () => {
  const warden = await startAs('short');
  try {
    const end = Date.now() + 60_000;
    let count = 0;
    while (Date.now() < end) {
      const result = await login(warden);
      expect(result, `login ${count}: ${result.stderr}${warden.log()}`).toMatchObject({ code: 0 });
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    expect(count).toBeGreaterThan(10);
  } finally {
    await warden.remove();
  }
});

test(`the leader is killed in the middle of ${LOGINS} logins: none fails, and the trail shows who signed`, async () => {
  const warden = await startAs('long');
  try {
    expect(await login(warden)).toMatchObject({ code: 0 });
    const { addr, process: leader } = await cluster.leader();
    const failures: string[] = [];
    let begun = 0;
    let done = 0;
    const worker = async () => {
      while (begun < LOGINS) {
        begun += 1;
        const result = await login(warden);
        if (result.code !== 0) failures.push(result.stderr);
        done += 1;
        if (done === LOGINS / 4) leader.signal('SIGKILL');
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    expect(failures, warden.log()).toEqual([]);
    const by = signers(warden);
    expect([...by.values()].reduce((sum, each) => sum + each, 0)).toBe(LOGINS + 1);
    // The dead one had signed before, if it was asked first; after it others did.
    expect([...by.keys()].filter((signer) => signer !== addr).length).toBeGreaterThan(0);
  } finally {
    await warden.remove();
  }
});
