/**
 * The machine fails, not OpenBao: a disk that takes a second for each sync, a wall clock that jumps, a loop that is stuck, descriptors
 * that are used up.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import { minted } from '../attack/matrix.ts';
import { AgentClient, encodeLoginData } from '../support/agent-client.ts';
import { syntheticBind } from '../support/binds.ts';
import { readPrivateKey } from '../support/keys.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { makePreload, type Preload, preloadMissing } from '../support/preload.ts';
import { until } from '../support/process.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden, type WardenOptions } from '../support/warden.ts';
import { type Far, startFar } from './fault-rig.ts';

const missing = sshdMissing();
let lab: LabOpenBao;
let far: Far;

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({ roles: { [JIT_ROLE]: jitRole(['*']) } });
  far = await startFar([lab.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await far?.remove();
  await lab?.stop();
});

function startDaemon(options: Partial<WardenOptions>): Promise<Warden> {
  const { port, user } = far.sshd;
  return startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: { web: { hosts: [`[127.0.0.1]:${port}`], logins: [user], role: JIT_ROLE } },
    principals: [user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    ...options,
  });
}

describe('under a library that spoils', () => {
  let preload: Preload;
  let warden: Warden;
  beforeAll(async () => {
    if ((missing ?? preloadMissing()) !== undefined) return;
    preload = await makePreload(far.directory);
    warden = await startDaemon({ env: preload.env, agent: { direct_peers: 'any' } });
  });
  beforeEach((context) => {
    const reason = preloadMissing();
    if (reason !== undefined) context.skip(reason);
  });
  afterAll(() => warden?.remove());

  test('a disk with a second for each sync: logins wait for it, nobody else does, and nothing is lost', async () => {
    expect(await far.login(warden.socket)).toBe('certificate');
    preload.slowSync(1000);
    const started = performance.now();
    const logins = Promise.all(Array.from({ length: 5 }, () => far.login(warden.socket)));
    let lists = 0;
    let ended = false;
    void logins.finally(() => {
      ended = true;
    });
    for (; !ended; lists += 1) expect(await listIdentities(warden.socket)).toHaveLength(1);
    // sshd's log tells who came with what; five at once are told apart by their number.
    await logins;
    expect(
      far.sshd
        .logins()
        .slice(-5)
        .map(({ keyType }) => keyType),
    ).toEqual(Array(5).fill('ED25519-CERT'));
    // Two syncs each, shared by those that come together: the disk was as slow as it says, and far less than one after the other.
    expect(performance.now() - started).toBeGreaterThan(2000);
    expect(lists).toBeGreaterThan(5);
    preload.slowSync(0);
    await warden.stop();
    expect(JSON.parse((await warden.cli(['audit', 'verify', '--json'])).stdout)).toMatchObject({
      intact: true,
      orphanCount: 0,
    });
    await warden.start();
  });

  test.each([
    ['an hour ahead', 3_600_000],
    ['an hour back', -3_600_000],
  ])(
    'a wall clock that jumps %s: what was minted before signs, what is minted after logs in',
    async (_what, ms) => {
      const client = await AgentClient.connect(warden.socket);
      const bind = syntheticBind(readPrivateKey(far.sshd.hostKeys[0]?.path ?? ''));
      const { blob } = await minted(client, bind);
      preload.clockAhead(ms);
      const data = encodeLoginData({ sessionId: bind.sessionId, user: far.sshd.user, key: blob });
      expect(await client.sign(blob, data)).toBeDefined();
      client.close();
      expect(await far.login(warden.socket)).toBe('certificate');
      const replay = await AgentClient.connect(warden.socket);
      expect(await replay.bind(bind)).toBe(true);
      expect((await replay.identities()).every(({ comment }) => !comment.startsWith('warden:'))).toBe(true);
      replay.close();
      const at = warden.trail().findLast(({ phase }) => phase === 'result');
      expect(Math.round((Date.parse(at?.ts ?? '') - Date.now()) / 60_000)).toBe(ms / 60_000);
      expect((await fetchStatus([warden.controlSocket])).openbao?.skew_ms).toBeCloseTo(-ms, -4);
      preload.clockAhead(0);
      expect(await far.login(warden.socket)).toBe('certificate');
      expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
    },
  );

  test('a loop that is stuck: the kernel ends the daemon, no ssh hangs, and the next daemon serves', async () => {
    preload.slowLock(120_000);
    const login = far.login(warden.socket);
    expect(await warden.ended()).toMatchObject({ signal: 'SIGALRM' });
    expect(await login).toBe('none');
    preload.slowLock(0);
    await warden.start();
    expect(await far.login(warden.socket)).toBe('certificate');
    expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
  });
});

describe('with its descriptors used up', () => {
  const LIMIT = 120;
  let warden: Warden;
  beforeAll(async () => {
    if (missing !== undefined) return;
    const under = ['sh', '-c', `ulimit -n ${LIMIT}; exec "$@"`, 'sh'];
    warden = await startDaemon({ under, agent: { direct_peers: 'any' } });
  });
  afterAll(() => warden?.remove());

  const open = () => readdirSync(`/proc/${warden.pid}/fd`).length;
  /** Ticks of the CPU that the daemon has had: utime and stime of proc(5). */
  const ticks = () => {
    const stat = readFileSync(`/proc/${warden.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return Number(stat[11]) + Number(stat[12]);
  };

  test('it neither ends nor spins, who is connected goes on, and logins work again when some are free', async () => {
    const { pid } = warden;
    const bind = () => syntheticBind(readPrivateKey(far.sshd.hostKeys[0]?.path ?? ''));
    const [first, session] = [await AgentClient.connect(warden.socket), bind()];
    const { blob } = await minted(first, session);
    const second = await AgentClient.connect(warden.socket);
    expect(await second.identities()).toHaveLength(1);
    const third = await AgentClient.connect(warden.socket);
    const fourth = await AgentClient.connect(warden.socket);

    const crowd: AgentClient[] = [];
    for (let n = 0; n < 2 * LIMIT; n += 1) crowd.push(await AgentClient.connect(warden.socket));
    await until('the last of them are turned away', () => crowd.at(-1)?.closed === true);
    expect(crowd.filter(({ closed }) => !closed).length).toBeGreaterThan(LIMIT / 4);
    const before = ticks();
    await sleep(1000);
    // A hundred ticks are a second.
    expect(ticks() - before).toBeLessThan(50);

    const data = encodeLoginData({ sessionId: session.sessionId, user: far.sshd.user, key: blob });
    expect(await first.sign(blob, data)).toBeDefined();
    expect(await second.identities()).toHaveLength(1);
    // Also what needs more of them: an agent behind that is dialled only now, a mint.
    expect(await fourth.identities()).toHaveLength(1);
    await minted(third, bind());
    expect(await far.login(warden.socket)).toBe('none');
    const refused = warden.trail().filter(({ error_code }) => error_code === 'no_descriptors');
    expect(refused.length).toBeGreaterThan(LIMIT);

    for (const client of [...crowd, first, second, third, fourth]) client.close();
    await until('there is room', () => open() < LIMIT / 2);
    expect(await far.login(warden.socket)).toBe('certificate');
    expect(warden.pid).toBe(pid);
    expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
  });
});
