/** A real cluster of three nodes: what standbys, sealed nodes and dead ones answer, and that no login is lost to them. */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { doctor } from '../support/doctor.ts';
import { makeKey } from '../support/keys.ts';
import { JIT_ROLE, setUpOpenBao } from '../support/openbao.ts';
import { blocks } from '../support/pages.ts';
import { type RaftCluster, type RaftNode, startRaft } from '../support/raft.ts';
import { realPartsMissing } from '../support/rig.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, newestRefusal, startFar } from './fault-rig.ts';

const missing = realPartsMissing();
let directory: TempDirectory;
let cluster: RaftCluster;
let far: Far;
let token: string;
let leader: RaftNode;
let standby: RaftNode;
let third: RaftNode;

beforeAll(async () => {
  if (missing !== undefined) return;
  directory = tempDirectory('cluster-');
  cluster = await startRaft(directory);
  leader = await cluster.leader();
  const bao = await setUpOpenBao(leader.addr, cluster.rootToken);
  token = bao.token;
  far = await startFar([bao.caPublicKey]);
  [standby, third] = z
    .tuple([z.custom<RaftNode>(), z.custom<RaftNode>()])
    .parse(cluster.nodes.filter((node) => node !== leader));
}, 120_000);
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await far?.remove();
  await cluster?.stop();
  directory?.remove();
});

/** `openbao.addr` of the documentation, with the cluster's addresses in it. */
function documented(): readonly string[] {
  const page = z.object({ openbao: z.strictObject({ addr: z.array(z.string()) }) });
  const { addr } = page.parse(parse(blocks('docs/openbao.md', 'openbao:nodes'))).openbao;
  return addr.map((_, index) => [leader, standby, third][index]?.addr ?? '');
}

async function startOn(...nodes: readonly RaftNode[]): Promise<Warden> {
  const addr = nodes.length === 0 ? documented() : nodes.map((node) => node.addr);
  const user = far.sshd.user;
  const warden = await startWarden({
    openbao: { addr: leader.addr, token, settings: { addr, role_map: { agt: JIT_ROLE } } },
    lanes: { web: { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [user], role: JIT_ROLE } },
    principals: [user],
    actors: { 'agt-tool': { type: 'agt', principals: [user], ttl_hours: 1 } },
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
  });
  onTestFinished(() => warden.remove());
  return warden;
}

const ask = (warden: Warden) => doctor(warden, [], { WARDEN_TEST_TOKEN: token });
const signers = (warden: Warden) =>
  warden
    .trail()
    .filter(({ event }) => event === 'cert.issued' || event === 'cert.refused')
    .map(({ error_code, bao }) => error_code ?? bao?.address);

test('a standby signs by itself, and doctor tells what it is', async () => {
  const warden = await startOn(standby, leader);
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(signers(warden)).toEqual([standby.addr]);
  const seen = await ask(warden);
  expect(seen.get('bao.reachable').what).toBe(
    `OpenBao ${/[\d.]+/.exec(seen.get('bao.reachable').what)?.[0]} answers at ${standby.addr}, a standby`,
  );
  expect(seen.get('bao.node').what).toMatch(new RegExp(`answers at ${leader.addr}$`));
});

test('a sealed node is left at once for another; alone it is said, to ssh and to programs (69)', async () => {
  await standby.kill();
  await standby.start({ sealed: true });
  expect((await cluster.api(standby.addr, 'GET', 'sys/health')).status).toBe(503);
  const warden = await startOn(standby, third);
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(signers(warden).at(-1)).toBe(third.addr);
  const seen = await ask(warden);
  expect(seen.get('bao.node_sealed').what).toBe(`${standby.addr} is sealed: logins go to another`);
  expect(seen.code).toBe(0);

  const alone = await startOn(standby);
  expect(await far.login(alone.socket)).toBe('key');
  const sentence = /OpenBao answered 503 on .*: Vault is sealed/;
  expect(await newestRefusal(alone)).toMatchObject({
    message: expect.stringMatching(sentence),
    hint: 'unseal it, or ask its operator to: bao operator unseal',
  });
  await alone.stop();
  const key = `${(await makeKey(alone.dir.path, 'tool')).path}.pub`;
  expect(await alone.cli(['sign', 'agt-tool', '--pubkey', key])).toMatchObject({
    code: 69,
    stdout: '',
    stderr: expect.stringMatching(sentence),
  });
  const report = await ask(alone);
  expect(report.get('bao.sealed')).toMatchObject({
    level: 'problem',
    what: `OpenBao at ${standby.addr} is sealed`,
  });
});

test('without a majority a node that holds the token’s data goes on signing, and the dead one costs a retry', async () => {
  const warden = await startOn();
  expect(await far.login(warden.socket)).toBe('certificate');
  await leader.kill();
  // The standby is sealed since the test before: the third is alone.
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(signers(warden).at(-1)).toBe(third.addr);
});
