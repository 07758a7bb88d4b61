/** OpenBao that is slow, silent or gone: the lane's deadline, the pause after a failure, and its end. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { PAUSE_MS } from '../../src/openbao/pause.ts';
import { JIT_ROLE, NO_OPENBAO, type OpenBao, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import {
  type Far,
  type JumpingClock,
  jumpingClock,
  newestRefusal,
  startFar,
  useFaultRig,
} from './fault-rig.ts';

const SIGN = 'POST ssh/sign/warden-jit';

describe('a stand-in that is slow or silent', () => {
  const rig = useFaultRig();
  /** Holds sign requests back; resolves a request's promise when the time is over. */
  const slow = (ms: number) => {
    const state = { answered: false };
    rig().faults.intercept = async ({ path }) => {
      if (!path.startsWith('ssh/sign/')) return undefined;
      await new Promise((resolve) => setTimeout(resolve, ms).unref());
      state.answered = true;
      return undefined;
    };
    return state;
  };

  test('two seconds are waited for', async () => {
    const state = slow(2_000);
    expect(await rig().ssh()).toBe('certificate');
    expect(state.answered).toBe(true);
  });

  test('five seconds are not: the login goes on with the upstream key before the answer', async () => {
    const state = slow(5_000);
    const { ssh, why, records } = rig();
    expect(await ssh()).toBe('key');
    expect(state.answered).toBe(false);
    expect(await why()).toMatchObject({
      code: 'bao_timeout',
      message: expect.stringContaining('did not answer within'),
      hint: expect.stringContaining('ssh.deadline'),
    });
    expect(records().filter(({ phase }) => phase !== 'single')).toMatchObject([
      { phase: 'intent' },
      { phase: 'result', error_code: 'bao_timeout' },
    ]);
  });

  test('a lane with a deadline of its own is not kept waiting longer than that', async () => {
    const state = slow(2_000);
    const { ssh, why } = rig();
    expect(await ssh({ host: 'localhost' })).toBe('key');
    expect(state.answered).toBe(false);
    expect(await why()).toMatchObject({ code: 'bao_timeout', lane: 'forced' });
  });

  test('after a failure OpenBao is not asked to sign for ten seconds; each login hears why', async () => {
    const { faults, requests, ssh, why, status, clock, records } = rig();
    faults.intercept = async () => ({ status: 503, body: '{"errors":["Vault is sealed"]}' });
    expect(await ssh()).toBe('key');
    const all = await Promise.all([ssh(), ssh(), ssh({ host: 'localhost' })]);
    expect(all).toEqual(['key', 'key', 'key']);
    expect(requests.filter((request) => request === SIGN)).toHaveLength(1);
    expect(await why()).toMatchObject({
      code: 'bao_paused',
      message: expect.stringContaining('Vault is sealed'),
      hint: expect.stringContaining('bao operator unseal'),
    });
    expect((await status()).openbao?.paused).toContain('Vault is sealed');
    // What was never asked for has no intent.
    expect(records().filter(({ phase }) => phase !== 'single')).toHaveLength(2);
    clock.jump(PAUSE_MS);
    expect((await status()).openbao?.paused).toBeNull();
    expect(await ssh()).toBe('key');
    expect(requests.filter((request) => request === SIGN)).toHaveLength(2);
  });

  test('a probe that finds it back ends the pause', async () => {
    const { faults, requests, ssh, status } = rig();
    faults.intercept = async () => ({ status: 503, body: '{"errors":["Vault is sealed"]}' });
    expect(await ssh()).toBe('key');
    await expect.poll(() => requests.includes('GET sys/health'), { timeout: 5_000 }).toBe(true);
    expect((await status()).openbao?.paused).not.toBeNull();
    faults.intercept = async () => undefined;
    await expect.poll(async () => (await status()).openbao?.paused, { timeout: 5_000 }).toBeNull();
    expect(await ssh()).toBe('certificate');
  });
});

describe('the hot path', () => {
  const rig = useFaultRig();

  test('one request on a warm connection per login', async () => {
    const { lab, sshd, knownHosts, requests, login } = rig();
    let connections = 0;
    const way = createServer((client) => {
      connections += 1;
      const server = connect(lab.port, '127.0.0.1');
      client.pipe(server).pipe(client);
      for (const socket of [client, server]) socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
    const address = way.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const warden = await startWarden({
      openbao: { addr: `http://127.0.0.1:${address.port}`, token: lab.tokens.create(JIT_ROLE) },
      lanes: { web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: JIT_ROLE } },
      principals: [sshd.user],
      knownHosts: [knownHosts],
      clock: jumpingClock(),
    });
    try {
      await expect.poll(() => requests.at(-1), { timeout: 5_000 }).toBe('GET auth/token/lookup-self');
      await expect
        .poll(async () => (await fetchStatus([warden.controlSocket])).openbao?.identity, { timeout: 5_000 })
        .toContain('warden-lab');
      requests.length = 0;
      for (let i = 0; i < 3; i += 1) expect(await login(warden.socket)).toBe('certificate');
      expect(requests).toEqual([SIGN, SIGN, SIGN]);
      expect(connections).toBe(1);
    } finally {
      await warden.remove();
      way.close();
    }
  });
});

describe('a real OpenBao', () => {
  const missing = sshdMissing() ?? (openbaoMissing() ? NO_OPENBAO : undefined);
  let bao: OpenBao;
  let far: Far;
  let warden: Warden;
  let clock: JumpingClock;

  beforeAll(async () => {
    if (missing !== undefined) return;
    bao = await startOpenBao();
    far = await startFar([bao.caPublicKey]);
    clock = jumpingClock();
    warden = await startWarden({
      openbao: { addr: bao.addr, token: bao.token },
      lanes: {
        web: {
          hosts: [`[127.0.0.1]:${far.sshd.port}`],
          logins: [far.sshd.user],
          role: bao.role,
          deadline: '1500ms',
        },
      },
      principals: [far.sshd.user],
      knownHosts: [far.knownHosts],
      upstream: far.upstream.socket,
      clock,
    });
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await warden?.remove();
    await far?.remove();
    await bao?.stop();
  });

  test('frozen and thawed', async () => {
    expect(await far.login(warden.socket)).toBe('certificate');
    bao.freeze();
    expect(await far.login(warden.socket)).toBe('key');
    expect(await newestRefusal(warden)).toMatchObject({ code: 'bao_timeout' });
    bao.thaw();
    clock.jump(PAUSE_MS);
    expect(await far.login(warden.socket)).toBe('certificate');
  });

  test('sealed', async () => {
    expect((await bao.api('POST', 'sys/seal')).status).toBe(204);
    expect(await far.login(warden.socket)).toBe('key');
    expect(await newestRefusal(warden)).toMatchObject({
      code: 'bao_sealed',
      hint: expect.stringContaining('bao operator unseal'),
    });
  });

  test('gone', async () => {
    await bao.stop();
    clock.jump(PAUSE_MS);
    const recordsBefore = warden.trail().length;
    expect(await far.login(warden.socket)).toBe('key');
    const { stdout, code } = await warden.cli(['why', '127.0.0.1', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)[0]).toMatchObject({
      code: 'bao_unreachable',
      message: `can't reach OpenBao at ${bao.addr}: ECONNREFUSED`,
      hint: expect.stringContaining('openbao.addr'),
    });
    // What can't be connected to is not asked twice.
    const mints = warden
      .trail()
      .slice(recordsBefore)
      .filter(({ phase }) => phase !== 'single');
    expect(mints.map(({ phase }) => phase)).toEqual(['intent', 'result']);
    expect((await fetchStatus([warden.controlSocket])).openbao?.paused).toContain('ECONNREFUSED');
  });
});

describe('a black hole in the place of OpenBao', () => {
  const missing = sshdMissing();
  const open = new Set<Socket>();
  let hole: Server;
  let far: Far;
  let warden: Warden;

  beforeAll(async () => {
    if (missing !== undefined) return;
    hole = createServer((socket) => {
      open.add(socket);
      socket.on('error', () => undefined).resume();
    });
    await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve));
    const address = hole.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    far = await startFar([]);
    warden = await startWarden({
      openbao: { addr: `http://127.0.0.1:${address.port}`, token: 'x' },
      lanes: {
        web: {
          hosts: [`[127.0.0.1]:${far.sshd.port}`],
          logins: [far.sshd.user],
          role: 'r',
          deadline: '700ms',
        },
      },
      principals: [far.sshd.user],
      knownHosts: [far.knownHosts],
      upstream: far.upstream.socket,
      clock: jumpingClock(),
    });
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await warden?.remove();
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => hole?.close(resolve));
    await far?.remove();
  });

  test('also the question for the CA, which comes before the first certificate, keeps to the deadline', async () => {
    expect(await far.login(warden.socket)).toBe('key');
    expect(await newestRefusal(warden)).toMatchObject({
      code: 'bao_timeout',
      message: expect.stringMatching(/did not answer within \d{1,3} ms$/),
    });
    expect(await far.login(warden.socket)).toBe('key');
    expect(await newestRefusal(warden)).toMatchObject({ code: 'bao_paused' });
  });
});
