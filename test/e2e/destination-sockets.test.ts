/** Destination sockets: clients without a session-bind, and principals that depend on the login name. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { connected, genuineBind } from '../attack/matrix.ts';
import { type AgentClient, encodeLoginData } from '../support/agent-client.ts';
import {
  asyncsshLogin,
  asyncsshMissing,
  hostileClientArgv,
  parseHostileAnswer,
} from '../support/asyncssh.ts';
import { newHostKey } from '../support/binds.ts';
import { publicBlob } from '../support/keys.ts';
import { run } from '../support/process.ts';
import { type Rig, useRig } from '../support/rig.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

const USER = 'root';
const UNBOUND = 'web-unbound';

/** The socket of the rig's host, for one login name or any. */
function socketOf({ warden, sshd }: Rig, login?: string): string {
  const base = join(dirname(warden.socket), 'to', `[127.0.0.1]:${sshd.port}`);
  return login === undefined ? `${base}.sock` : join(base, `${login}.sock`);
}

/** What a client without a bind has signed: for whichever session. */
function loginData(key: Buffer, overrides: Partial<Parameters<typeof encodeLoginData>[0]> = {}): Buffer {
  return encodeLoginData({ sessionId: Buffer.alloc(32, 7), user: USER, key, ...overrides });
}

async function listed(client: AgentClient) {
  const [identity, ...others] = await client.identities();
  expect(others).toEqual([]);
  if (identity === undefined) throw new Error('nothing was listed');
  return identity;
}

describe('a lane with unbound: allow', () => {
  const rig = useRig({
    bao: { allowedUsers: [USER, UNBOUND] },
    sshd: { principals: { [USER]: [UNBOUND] } },
    lane: {
      unbound: 'allow',
      principals: [UNBOUND],
      logins: [USER],
      extensions: ['permit-pty', 'permit-port-forwarding'],
    },
    warden: () => ({ principals: [USER, UNBOUND] }),
  });

  test('has a socket for its host from the start, which only we may use', () => {
    const path = socketOf(rig());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
    expect(existsSync(socketOf(rig(), USER))).toBe(true);
  });

  test('warden agent socket prints its path; status lists it', async () => {
    const { warden, sshd } = rig();
    const host = `[127.0.0.1]:${sshd.port}`;
    expect(await warden.cli(['agent', 'socket', host])).toMatchObject({
      stdout: `${socketOf(rig())}\n`,
      code: 0,
    });
    const asJson = await warden.cli(['agent', 'socket', host, '--login', USER, '--json']);
    expect(JSON.parse(asJson.stdout)).toEqual({ path: socketOf(rig(), USER) });
    const byLane = await warden.cli(['agent', 'socket', '--lane', 'web']);
    expect(byLane.stdout.trim()).toMatch(/\/lane\/web\.sock$/);
    expect((await warden.cli(['status', '--json'])).stdout).toContain(socketOf(rig(), USER));
  });

  test('asyncssh, which sends no bind, logs in with a certificate that the trail calls unbound', async (ctx) => {
    const reason = asyncsshMissing();
    if (reason !== undefined) ctx.skip(reason);
    const { sshd, warden, knownHosts } = rig();
    const seen = watch(warden, sshd);
    const { port, user } = sshd;
    const agent = socketOf(rig());
    const result = await asyncsshLogin({ port, user, knownHosts, agent, command: 'echo in' });
    expect(result).toMatchObject({ stdout: 'in\n', stderr: '', code: 0 });
    await seen.certifiedLogins(1);
    const [intent] = seen.records();
    expect(intent).toMatchObject({
      event: 'cert.intent',
      phase: 'intent',
      unbound: true,
      source: `destination_socket ${agent}`,
      cert: { principals: [UNBOUND] },
    });
  });

  test('asyncssh on the plain socket gets no certificate', async (ctx) => {
    const reason = asyncsshMissing();
    if (reason !== undefined) ctx.skip(reason);
    const { sshd, warden, knownHosts } = rig();
    const { port, user } = sshd;
    const result = await asyncsshLogin({ port, user, knownHosts, agent: warden.socket, command: 'echo in' });
    expect(result.code).toBe(255);
  });

  test('a real ssh that binds logs in by it as by the plain one', async () => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    expect(await login({ agent: socketOf(rig()) })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(seen.records()[0]?.unbound).toBeUndefined();
  });

  test('listed on one connection, signed on another of the same process, once', async () => {
    const socket = socketOf(rig());
    const { blob } = await connected(socket, listed);
    const data = loginData(blob);
    // A list after the first connection has gone shows the same one: nobody has used it.
    expect((await connected(socket, listed)).blob).toEqual(blob);
    expect(await connected(socket, (client) => client.sign(blob, data))).toBeInstanceOf(Buffer);
    expect(await connected(socket, (client) => client.sign(blob, data))).toBeUndefined();
    // The other socket of the same host is another holder.
    const again = await connected(socket, listed);
    const elsewhere = socketOf(rig(), USER);
    expect(
      await connected(elsewhere, (client) => client.sign(again.blob, loginData(again.blob))),
    ).toBeUndefined();
    expect(
      await connected(rig().warden.socket, (client) => client.sign(again.blob, loginData(again.blob))),
    ).toBeUndefined();
    expect(
      await connected(socket, (client) => client.sign(again.blob, loginData(again.blob))),
    ).toBeInstanceOf(Buffer);
  });

  test.each<[string, (rig: Rig) => Parameters<typeof loginData>[1]]>([
    ['another login name', () => ({ user: 'daemon' })],
    ['another service', () => ({ service: 'ssh-userauth' })],
    ['another algorithm', () => ({ algorithm: 'ssh-ed25519' })],
    ["another host's key", () => ({ hostKey: publicBlob(newHostKey()) })],
  ])('the guard refuses %s', async (_what, overrides) => {
    await connected(socketOf(rig()), async (client) => {
      const { blob } = await listed(client);
      expect(await client.sign(blob, loginData(blob, overrides(rig())))).toBeUndefined();
      expect(await client.sign(blob, Buffer.from('SSHSIG and more'))).toBeUndefined();
      // And it still signs the right one, also where it says its host key.
      const { hostKey } = genuineBind(rig());
      expect(await client.sign(blob, loginData(blob, { hostKey }))).toBeInstanceOf(Buffer);
    });
  });

  test('an ssh that forwards the socket to the far side gets the far side nothing', async () => {
    const { login, sshd, warden, directory } = rig();
    const seen = watch(warden, sshd);
    const far = directory.socket('far');
    const command = hostileClientArgv({ port: sshd.port, agent: far, noBind: true });
    // The lane's: colons in a path mean something to -R.
    const near = join(dirname(warden.socket), 'lane', 'web.sock');
    const result = await login({ agent: near, args: ['-R', `${far}:${near}`], command });
    expect(parseHostileAnswer(result.stdout).identities).toEqual([]);
    await expect
      .poll(() =>
        seen
          .records()
          .filter(({ event }) => event === 'agent.bind_refused')
          .map(({ error_code }) => error_code),
      )
      .toEqual(['not_direct']);
  });
});

describe('a lane that wants binds', () => {
  const rig = useRig({
    bao: { allowedUsers: [USER, 'ops'] },
    sshd: { principals: { [USER]: [USER, 'ops'] } },
    lane: { principals: [USER, 'ops'], logins: [USER, 'ops'] },
    lanes: ({ bao }) => ({ other: { hosts: ['other.example'], logins: [USER], role: bao.role } }),
    warden: () => ({ principals: [USER, 'ops'] }),
  });
  const refusals = ({ warden }: Rig) => warden.trail().filter(({ event }) => event.endsWith('_refused'));

  test('has a socket when it is asked for, and nothing for a client that does not bind', async () => {
    expect(existsSync(socketOf(rig()))).toBe(false);
    const opened = await rig().warden.cli(['agent', 'socket', `[127.0.0.1]:${rig().sshd.port}`]);
    expect(opened.stdout).toBe(`${socketOf(rig())}\n`);
    expect(await connected(socketOf(rig()), (client) => client.identities())).toEqual([]);
    await expect.poll(() => refusals(rig()).at(-1)?.error_code).toBe('no_binding');
  });

  test('the socket of a login name makes it the only principal: IdentityAgent …/%r.sock', async () => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    const identityAgent = socketOf(rig(), '%r');
    expect(await login({ identityAgent })).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    const [, result] = seen.records();
    expect(result?.cert?.principals).toEqual([USER]);
  });

  test('and no other name logs in by it', async () => {
    const identityAgent = socketOf(rig(), 'ops');
    expect(await rig().login({ identityAgent })).toMatchObject({ code: 255 });
    await expect.poll(() => refusals(rig()).at(-1)?.event).toBe('agent.sign_refused');
  });

  test("another host's socket serves no login to this one", async () => {
    const { warden, login } = rig();
    const { stdout } = await warden.cli(['agent', 'socket', 'Other.example']);
    expect(await login({ agent: stdout.trim() })).toMatchObject({ code: 255 });
    await expect.poll(() => refusals(rig()).at(-1)?.error_code).toBe('wrong_socket');
  });

  test('what was asked for is there again after a restart', async () => {
    const { warden, login } = rig();
    await warden.stop();
    expect(existsSync(socketOf(rig()))).toBe(false);
    await warden.start();
    expect(await login({ agent: socketOf(rig()) })).toMatchObject({ code: 0 });
    await warden.kill();
    await warden.start();
    expect(await login({ agent: socketOf(rig()) })).toMatchObject({ code: 0 });
  });

  test.each<[args: readonly string[], code: number, says: string]>([
    [['nowhere.example'], 77, 'no lane covers nowhere.example'],
    [[], 64, 'one host or one lane has a socket'],
    [['other.example', '--lane', 'other'], 64, 'one host or one lane has a socket'],
    [['*.example'], 64, 'is not one host'],
    [['../agent'], 64, 'is not a network'],
    [['--lane', 'none'], 77, 'there is no lane none'],
    [['other.example', '--login', 'daemon'], 77, 'does not allow'],
    [['other.example', '--login', '../x'], 64, "can't name a socket"],
  ])('warden agent socket %j: %i, %s', async (args, code, says) => {
    const result = await rig().warden.cli(['agent', 'socket', ...args]);
    expect(result).toMatchObject({ stdout: '', code });
    expect(result.stderr).toContain(says);
    expect(result.stderr.trim().split('\n')).toHaveLength(1);
  });
});

test('warden agent socket without an agent: 69, and how to start it', async () => {
  const directory = tempDirectory();
  const env = { HOME: directory.path, WARDEN_SOCKET: directory.socket('none') };
  const result = await run(LAUNCHER, ['agent', 'socket', 'web1'], { env });
  expect(result).toMatchObject({ stdout: '', code: 69 });
  expect(result.stderr).toContain('warden agent --background');
  directory.remove();
});
