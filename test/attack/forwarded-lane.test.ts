/**
 * A lane that lets a forwarded agent in from named hosts (`forwarded`): `ssh -A bastion`, there `ssh target`. Real sshds for the hops,
 * the system's ssh on every side; and the ways in which somebody else would pass for the hop.
 */
import type { KeyObject } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MAX_UNUSED } from '../../agent/mint-budget.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import type { TrailRecord } from '../../src/trail/record.ts';
import { type Bind, encodeLoginData } from '../support/agent-client.ts';
import { hostileClientArgv, parseHostileAnswer } from '../support/asyncssh.ts';
import { newHostKey, syntheticBind } from '../support/binds.ts';
import { type KeyFile, makeKey, publicBlob, readPrivateKey } from '../support/keys.ts';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { start } from '../support/process.ts';
import { type Rig, realPartsMissing, startRig, useRig } from '../support/rig.ts';
import { type SshOptions, ssh, sshArgv } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';
import { connected, honestLogin, minted } from './matrix.ts';

const missing = realPartsMissing();
/** A public key as known_hosts has it. */
const lineOf = (key: KeyObject) => `ssh-ed25519 ${publicBlob(key).toString('base64')}`;
const EXTENSIONS = ['permit-pty', 'permit-port-forwarding', 'permit-agent-forwarding'];
const directory = tempDirectory();

/** The rig's own sshd is the bastion. The target is in no known_hosts of this side: its lane has its key. */
let rig: Rig;
let target: Sshd;
/** A host that the user logs in to as well, and that no lane allows as a hop. */
let other: Sshd;
/** What the far side knows. */
let farKnownHosts: string;
/** Knows the bastion's key by another name alone: a machine that was cloned from it. */
let cloneHosts: string;
const cloneLines = ({ hostKeys }: Sshd) => `${knownHostsLine(['clone'], hostKeys[0]?.publicKey ?? '')}\n`;
/** A key that logs in to `other`. */
let plain: KeyFile;

beforeAll(async () => {
  if (missing !== undefined) return;
  plain = await makeKey(directory.path, 'plain');
  // Their CA is known only when the rig is up; sshd reads the file at each login.
  target = await startSshd();
  other = await startSshd({ authorizedKeys: [plain.publicKey] });
  const otherHosts = await writeKnownHosts(directory, other.knownHosts());
  rig = await startRig({
    lane: { extensions: EXTENSIONS },
    lanes: ({ bao, sshd }) => ({
      target: {
        host_keys: [fingerprint(publicBlob(readPrivateKey(target.hostKeys[0]?.path ?? '')))],
        hosts: [`[127.0.0.1]:${target.port}`],
        logins: [sshd.user],
        role: bao.role,
        forwarded: [`[127.0.0.1]:${sshd.port}`],
        extensions: EXTENSIONS,
      },
      other: {
        hosts: [`[127.0.0.1]:${other.port}`],
        logins: [sshd.user],
        role: bao.role,
        extensions: EXTENSIONS,
      },
    }),
    warden: ({ knownHosts, sshd }) => ({
      knownHosts: [knownHosts, otherHosts, directory.write('clone', cloneLines(sshd))],
    }),
  });
  target.trustUserCas([rig.bao.caPublicKey]);
  other.trustUserCas([rig.bao.caPublicKey]);
  cloneHosts = directory.write('clone-alone', cloneLines(rig.sshd));
  farKnownHosts = await writeKnownHosts(directory, [
    ...target.knownHosts(),
    ...other.knownHosts(),
    ...rig.sshd.knownHosts(),
  ]);
});
beforeEach((ctx) => {
  if (missing !== undefined) ctx.skip(missing);
});
afterAll(async () => {
  await rig?.remove();
  await target?.stop();
  await other?.stop();
  directory.remove();
});

const nameOf = ({ port }: Sshd) => `[127.0.0.1]:${port}`;

/** What runs on the far side: one more ssh, by the agent that came with the login. */
function onwards(
  to: Sshd,
  command: readonly string[] = ['echo', 'in'],
  more: Partial<SshOptions> = {},
): string[] {
  return sshArgv({ port: to.port, knownHosts: farKnownHosts, command, ...more });
}

/** `ssh -A` from here. */
function hop(to: Sshd, command: readonly string[], more: Partial<SshOptions> = {}) {
  const { warden } = rig;
  return ssh({
    port: to.port,
    agent: warden.socket,
    knownHosts: farKnownHosts,
    args: ['-A'],
    command,
    ...more,
  });
}

/** Records since it was called. */
function watchTrail(): () => TrailRecord[] {
  const before = rig.warden.trail().at(-1)?.seq ?? 0;
  return () => rig.warden.trail().filter(({ seq }) => seq > before);
}

async function expectRefused(
  records: () => readonly TrailRecord[],
  code: string,
  says: string,
): Promise<void> {
  const refused = () => records().filter(({ event }) => event === 'agent.bind_refused');
  await expect.poll(() => refused().map(({ error_code }) => error_code)).toEqual([code]);
  expect(refused()[0]?.message).toContain(says);
  expect(records().filter(({ lane, phase }) => lane === 'target' && phase === 'intent')).toEqual([]);
}

describe('from the bastion', () => {
  test('a login to the target gets a certificate, and the trail says by which way', async () => {
    const records = watchTrail();
    const result = await hop(rig.sshd, onwards(target));
    expect(result).toMatchObject({ stdout: 'in\n', stderr: '', code: 0 });
    expect((await target.waitForLogins(1))[0]?.keyType).toBe('ED25519-CERT');
    await expect.poll(() => records().filter(({ event }) => event === 'cert.used')).toHaveLength(2);
    const [intent] = records().filter(({ lane }) => lane === 'target');
    expect(intent).toMatchObject({ phase: 'intent', host: nameOf(target), via: [nameOf(rig.sshd)] });
    const direct = records().find(({ lane }) => lane === 'web');
    expect(direct?.via).toBeUndefined();
  });

  test('also from an ssh that has gone to the background', async () => {
    const command = ['sleep', '1;', ...onwards(target)];
    const [program = '', ...args] = sshArgv({
      port: rig.sshd.port,
      knownHosts: farKnownHosts,
      args: ['-f', '-A'],
      command,
    });
    const login = start(program, args, { env: { SSH_AUTH_SOCK: rig.warden.socket }, deadline: 20_000 });
    expect(await login.waitFor(/^in$/m)).toContain('in');
  });

  test('a host whose lane does not say so is not to be had', async () => {
    const records = watchTrail();
    expect(await hop(rig.sshd, onwards(other))).toMatchObject({ code: 255 });
    await expectRefused(records, 'forwarded', 'which the lane other does not allow');
  });

  test('who sends no bind there is shown nothing', async () => {
    const records = watchTrail();
    const { stdout } = await hop(rig.sshd, hostileClientArgv({ port: target.port, noBind: true }));
    expect(parseHostileAnswer(stdout).identities).toEqual([]);
    await expectRefused(records, 'forwarded', 'the far side has not said where it goes');
  });

  test('nor who says that his own login is forwarded further', async () => {
    const records = watchTrail();
    const { stdout } = await hop(rig.sshd, hostileClientArgv({ port: target.port, forwarded: true }));
    expect(parseHostileAnswer(stdout).identities).toEqual([]);
    await expectRefused(records, 'forwarded', 'the far side has not said where it goes');
  });

  test('another hop between is one that the lane has to allow too', async () => {
    const records = watchTrail();
    const between = onwards(other, onwards(target), { args: ['-A'], identities: [plain.path] });
    expect(await hop(rig.sshd, between)).toMatchObject({ code: 255 });
    await expect
      .poll(() => records().at(-1)?.message)
      .toContain(`by ${nameOf(other)}, which the lane target`);
    expect(records().filter(({ lane, phase }) => lane === 'target' && phase === 'intent')).toEqual([]);
  });
});

describe('from elsewhere', () => {
  /** What a host that is no bastion may say: that it is. Anybody can have a session signed by the bastion's key: it is a server. */
  const forged = (): Bind => syntheticBind(readPrivateKey(rig.sshd.hostKeys[0]?.path ?? ''));
  const genuine = (): Bind => syntheticBind(readPrivateKey(target.hostKeys[0]?.path ?? ''));

  async function claim(socket: string): Promise<void> {
    await connected(socket, async (client) => {
      expect(await client.bind(forged(), true)).toBe(true);
      expect(await client.bind(genuine())).toBe(true);
      expect(await client.identities()).toEqual([]);
    });
  }

  test('a login to another host, which no lane names as a hop', async () => {
    const records = watchTrail();
    expect(await hop(other, onwards(target))).toMatchObject({ code: 255 });
    await expectRefused(records, 'forwarded', `by ${nameOf(other)}, which the lane target does not allow`);
  });

  test('a machine that has the key of the bastion and another name', async () => {
    const records = watchTrail();
    const clone = { options: ['HostKeyAlias=clone'], knownHosts: cloneHosts };
    expect(await hop(rig.sshd, onwards(target), clone)).toMatchObject({ code: 255 });
    await expectRefused(records, 'forwarded', 'by clone, which the lane target does not allow');
  });

  test('another host that has the socket by ssh -R and says that it is the bastion', async () => {
    const far = directory.socket('far');
    const [program = '', ...args] = sshArgv({
      port: other.port,
      knownHosts: farKnownHosts,
      args: ['-R', `${far}:${rig.warden.socket}`],
      command: ['echo in; cat'],
    });
    const login = start(program, args, { env: { SSH_AUTH_SOCK: rig.warden.socket } });
    try {
      await login.waitFor('in');
      const records = watchTrail();
      await claim(far);
      await expectRefused(records, 'forwarded', 'its first hop is no login of yours');
    } finally {
      await login.stop();
    }
  });

  test('a local program that says so', async () => {
    const records = watchTrail();
    await claim(rig.warden.socket);
    await expectRefused(records, 'not_direct', 'the caller runs');
  });
});

test('afterwards an honest login works', async () => {
  expect(await rig.login({ command: ['echo', 'in'] })).toMatchObject({ stdout: 'in\n', code: 0 });
});

describe('what a forwarded certificate signs (binds alone decide: direct_peers any)', () => {
  const hosts = { one: newHostKey(), two: newHostKey(), target: newHostKey() };
  const any = useRig({
    lanes: ({ bao, sshd }) => ({
      deep: { hosts: ['deep'], logins: [sshd.user], role: bao.role, forwarded: ['one', 'two'] },
    }),
    warden: ({ directory: files }) => ({
      agent: { direct_peers: 'any' },
      knownHosts: [
        files.write(
          'hosts',
          [
            knownHostsLine(['one'], lineOf(hosts.one)),
            knownHostsLine(['two'], lineOf(hosts.two)),
            knownHostsLine(['deep'], lineOf(hosts.target)),
          ]
            .map((line) => `${line}\n`)
            .join(''),
        ),
      ],
    }),
  });

  test('through two hops that the lane names, a login that says its host key; once', async () => {
    const bind = syntheticBind(hosts.target);
    await connected(any().warden.socket, async (client) => {
      expect(await client.bind(syntheticBind(hosts.one), true)).toBe(true);
      expect(await client.bind(syntheticBind(hosts.two), true)).toBe(true);
      expect(await client.bind(bind)).toBe(true);
      const [identity, ...others] = await client.identities();
      if (identity === undefined) throw new Error('nothing was minted');
      expect(others).toEqual([]);
      const { sessionId } = bind;
      const { user } = any().sshd;
      const plainLogin = encodeLoginData({ sessionId, user, key: identity.blob });
      expect(await client.sign(identity.blob, plainLogin)).toBeUndefined();
      const toHop = encodeLoginData({ sessionId, user, key: identity.blob, hostKey: publicBlob(hosts.two) });
      expect(await client.sign(identity.blob, toHop)).toBeUndefined();
      const honest = honestLogin(any(), bind, identity);
      expect(await client.sign(identity.blob, honest)).toBeInstanceOf(Buffer);
      expect(await client.sign(identity.blob, honest)).toBeUndefined();
    });
    await expect
      .poll(() =>
        any()
          .warden.trail()
          .filter(({ event }) => event === 'agent.sign_refused'),
      )
      .toHaveLength(3);
    expect(
      any()
        .warden.trail()
        .find(({ phase }) => phase === 'intent')?.via,
    ).toEqual(['one', 'two']);
  });

  test('what is forwarded has a budget of its own', async () => {
    const bindings = [syntheticBind(hosts.one), syntheticBind(hosts.two)] as const;
    const mints = async () =>
      connected(any().warden.socket, async (client) => {
        for (const hopBind of bindings) await client.bind(hopBind, true);
        await client.bind(syntheticBind(hosts.target));
        return (await client.identities()).length;
      });
    const counts: number[] = [];
    for (let n = 0; n <= MAX_UNUSED; n += 1) counts.push(await mints());
    expect(counts.filter((count) => count === 1)).toHaveLength(MAX_UNUSED);
    expect(counts.at(-1)).toBe(0);
    // The user's own logins are not touched.
    await connected(any().warden.socket, (client) => minted(client, syntheticBind(hosts.target)));
  });
});
