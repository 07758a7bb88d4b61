/** The daemon's own life: minted keys that end with their certificates or on SIGUSR1, an end that lets logins end first, a stuck loop. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { DEAD_AFTER_S } from '../../agent/deadman.ts';
import { fetchStatus } from '../../src/control/client.ts';
import { type LabOpenBao, type LabOpenBaoOptions, startLabOpenBao } from '../../src/lab/openbao.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { minted } from '../attack/matrix.ts';
import { type Far, startFar } from '../fault/fault-rig.ts';
import { AgentClient, type Bind, encodeLoginData } from '../support/agent-client.ts';
import { newHostKey, syntheticBind } from '../support/binds.ts';
import { publicBlob, readPrivateKey } from '../support/keys.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { start, until } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';

const missing = sshdMissing();
/** The host of the lane whose certificates are good for two seconds. */
const briefHost = newHostKey();
let honest: NonNullable<LabOpenBaoOptions['intercept']> = async () => undefined;
let lab: LabOpenBao;
let far: Far;
let warden: Warden;

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole(['root', 'ops']) },
    intercept: (request) => honest(request),
  });
  far = await startFar([lab.caPublicKey]);
  const { port, user } = far.sshd;
  const common = { logins: [user], role: JIT_ROLE };
  warden = await startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: {
      web: { ...common, hosts: [`[127.0.0.1]:${port}`] },
      brief: { ...common, hosts: ['brief.test'], host_keys: [fingerprint(publicBlob(briefHost))], ttl: '2s' },
    },
    principals: [user],
    knownHosts: [far.knownHosts],
    agent: { direct_peers: 'any' },
  });
});

afterAll(async () => {
  await warden?.remove();
  await lab?.stop();
  await far?.remove();
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
  honest = async () => undefined;
});

function daemonPid(): number {
  const { pid } = warden;
  if (pid === undefined) throw new Error('no daemon');
  return pid;
}

function webBind(): Bind {
  return syntheticBind(readPrivateKey(far.sshd.hostKeys[0]?.path ?? ''));
}

/** A connection with a certificate that has not signed, and what tries to use it as ssh would. */
async function held(bind: Bind) {
  const client = await AgentClient.connect(warden.socket);
  const { blob } = await minted(client, bind);
  const data = encodeLoginData({ sessionId: bind.sessionId, user: far.sshd.user, key: blob });
  return { client, sign: () => client.sign(blob, data) };
}

const live = async () => (await fetchStatus([warden.controlSocket])).live_certificates;

/** Why keys were dropped, newest last. */
function expired(): (string | undefined)[] {
  return warden.trail().flatMap(({ event, message }) => (event === 'cert.expired' ? [message] : []));
}

function login() {
  return ssh({ port: far.sshd.port, agent: warden.socket, knownHosts: far.knownHosts });
}

/** Where a process listens by TCP: the lines of /proc/net/tcp. */
function tcpSockets(pid: number): string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/${pid}/net/${file}`, 'utf8')
      .split('\n')
      .slice(1)
      .filter((line) => line.trim().split(/\s+/)[3] === '0A' && own.has(line.trim().split(/\s+/)[9])),
  );
}

describe('a minted key', () => {
  test('is dropped when its certificate ends, though its connection stays', async () => {
    const { client, sign } = await held(syntheticBind(briefHost));
    expect(await live()).toBe(1);
    await expect.poll(expired, { timeout: 5000 }).toEqual(['its time was over before it was used']);
    expect(await live()).toBe(0);
    expect(await sign()).toBeUndefined();
    client.close();
  });

  test('is dropped by SIGUSR1, each of them, and nothing listens for a debugger', async (ctx) => {
    if (process.platform !== 'linux') ctx.skip("needs Linux's /proc");
    const before = expired().length;
    const all = await Promise.all([held(webBind()), held(webBind()), held(webBind())]);
    expect(await live()).toBe(3);
    process.kill(daemonPid(), 'SIGUSR1');
    await expect.poll(live).toBe(0);
    for (const { client, sign } of all) {
      expect(await sign()).toBeUndefined();
      client.close();
    }
    await expect
      .poll(() => expired().slice(before))
      .toEqual(Array.from({ length: 3 }, () => 'all keys were told to go'));
    expect(tcpSockets(daemonPid())).toEqual([]);
    expect(warden.log()).not.toContain('Debugger listening');
    expect(await login()).toMatchObject({ code: 0 });
  });
});

test('the inspector of a Node that opens one is seen', async (ctx) => {
  if (process.platform !== 'linux') ctx.skip("needs Linux's /proc");
  const node = start(process.execPath, ['--inspect-port=0', '-e', 'setInterval(console.log, 50, "up")']);
  try {
    await node.waitFor('up');
    expect(tcpSockets(node.pid)).toEqual([]);
    node.signal('SIGUSR1');
    await expect.poll(() => tcpSockets(node.pid).length).toBe(1);
  } finally {
    await node.stop();
  }
});

describe('SIGTERM', () => {
  test('lets a login that waits for a slow OpenBao end, then ends the daemon', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = false;
    honest = async ({ path }) => {
      if (!path.startsWith('ssh/sign/')) return undefined;
      asked = true;
      await gate;
      return undefined;
    };
    const pid = daemonPid();
    const logins = far.sshd.logins().length;
    const waiting = login();
    await until('OpenBao is asked', () => asked);
    process.kill(pid, 'SIGTERM');
    await until('nobody new is let in', () => !existsSync(warden.socket));
    release();
    expect(await waiting).toMatchObject({ code: 0 });
    expect(await warden.ended()).toMatchObject({ code: 0 });
    expect((await far.sshd.waitForLogins(logins + 1)).at(-1)?.keyType).toBe('ED25519-CERT');
    const ended = warden
      .trail()
      .slice(-3)
      .map(({ event }) => event);
    expect(ended).toEqual(['cert.used', 'daemon.stop', 'trail.checkpoint']);
    await warden.start();
  });

  test('ends the daemon in time though somebody holds a certificate and never uses it', async () => {
    const { client } = await held(webBind());
    await warden.stop();
    await client.waitForClose();
    expect(expired().at(-1)).toBe('its connection ended before it was used');
    await warden.start();
  });
});

test('a daemon that does not move for seconds is ended, and the launcher starts another on the same socket', {
  timeout: 40_000,
}, async (ctx) => {
  if (process.platform !== 'linux') ctx.skip('tried on Linux only');
  const pid = daemonPid();
  // Long enough that the alarm must have been renewed.
  await sleep((DEAD_AFTER_S + 1) * 1000);
  expect(await login()).toMatchObject({ code: 0 });

  process.kill(pid, 'SIGSTOP');
  await sleep((DEAD_AFTER_S + 0.5) * 1000);
  process.kill(pid, 'SIGCONT');
  expect(await warden.ended()).toMatchObject({ signal: 'SIGALRM' });

  const { stdout, code } = await warden.cli(['agent', '--background']);
  try {
    expect({ stdout, code }).toMatchObject({ stdout: expect.stringContaining(warden.socket), code: 0 });
    expect(await login()).toMatchObject({ code: 0 });
  } finally {
    await warden.cli(['agent', '--stop']);
  }
});
