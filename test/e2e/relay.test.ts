/** Every message through warden is what the agent behind would have answered: raw bytes, real ssh-add, locking, odd upstreams, none. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startDaemon } from '../../agent/daemon.ts';
import { encodeFrame } from '../../agent/protocol/frames.ts';
import { encodeQueryAnswer, FAILURE, MESSAGE, SESSION_BIND, SUCCESS } from '../../agent/protocol/messages.ts';
import { Writer } from '../../src/ssh/wire.ts';
import { systemClock } from '../../src/system/clock.ts';
import { AgentClient, encodeLoginData, encodeSignRequest, LIST } from '../support/agent-client.ts';
import { newHostKey, syntheticBind } from '../support/binds.ts';
import { certify, type KeyFile, makeKey, readPrivateKey } from '../support/keys.ts';
import { knownHostsLine } from '../support/known-hosts.ts';
import { type Environment, run } from '../support/process.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { listIdentities, type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden } from '../support/warden.ts';
import { hangUp, startFakeUpstream } from '../unit/agent/fake-upstream.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
let opened: Array<() => unknown> = [];
let directory: TempDirectory;
let askpass: string;
beforeEach(() => {
  directory = tempDirectory();
  askpass = directory.write('askpass', '#!/bin/sh\necho secret\n', 0o700);
  opened = [() => directory.remove()];
});
afterEach(async () => {
  for (const close of opened.reverse()) await close();
});

async function agent(): Promise<SshAgent> {
  const started = await startSshAgent();
  opened.push(() => started.stop());
  return started;
}

/** The socket of a daemon without a configuration. */
async function relay(upstream: string | undefined): Promise<string> {
  const home = tempDirectory();
  const daemon = await startDaemon({
    socket: home.socket('run/agent.sock'),
    upstream,
    config: { unusable: 'there is none', file: undefined },
    readConfig: () => {
      throw new Error('there is none');
    },
    env: {},
    clock: systemClock,
    log: silent,
    onStop: () => undefined,
  });
  opened.push(async () => {
    await daemon.close();
    home.remove();
  });
  return daemon.socket;
}

/** The socket of a daemon that could mint, if its OpenBao were there. */
async function configured(upstream: string | undefined): Promise<string> {
  const warden = await startWarden({
    openbao: { addr: 'http://127.0.0.1:9', token: 'none' },
    lanes: { web: { hosts: ['web'], logins: ['someone'], role: 'web' } },
    principals: ['someone'],
    knownHosts: [directory.write('empty_known_hosts', '')],
    ...(upstream === undefined ? {} : { upstream }),
    clock: systemClock,
  });
  opened.push(() => warden.remove());
  return warden.socket;
}

const DAEMONS = [
  ['without a configuration', relay],
  ['with a configuration', configured],
] as const;

async function connected(socket: string): Promise<AgentClient> {
  const client = await AgentClient.connect(socket);
  opened.push(() => client.close());
  return client;
}

const extension = (name: Buffer | string) => new Writer().u8(MESSAGE.extension).string(name).done();

/** ssh-add with a passphrase for whatever it asks. */
function sshAdd(socket: string, ...args: readonly string[]) {
  const env: Environment = { SSH_AUTH_SOCK: socket, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' };
  return run('ssh-add', args, { env });
}

describe.each(DAEMONS)('a daemon %s', (_kind, start) => {
  test('answers every type with any body as the agent behind does, pipelined and in order', async () => {
    const bodies: Buffer[] = [Buffer.alloc(0), Buffer.from('\xff\x01garbage', 'latin1'), Buffer.alloc(24)];
    const messages = Array.from({ length: 256 }, (_, type) =>
      bodies.map((body): Buffer => Buffer.concat([Buffer.from([type]), body])),
    )
      .flat()
      .filter((message) => {
        // On purpose stricter: a list request with something behind it.
        if (message[0] === MESSAGE.requestIdentities) return message.length === 1;
        // A lock that ssh-agent can't parse ends it.
        return (message[0] !== MESSAGE.lock && message[0] !== MESSAGE.unlock) || message.length === 25;
      });
    // Names that warden looks at itself.
    for (const name of ['', 'query\0', 'x'.repeat(300), 'foo@example.com', Buffer.from([0xff, 0xfe])])
      messages.push(extension(name));
    messages.push(extension(SESSION_BIND));
    const frames = Buffer.concat(messages.map(encodeFrame));
    const direct = await connected((await agent()).socket);
    const through = await connected(await start((await agent()).socket));
    direct.sendRaw(frames);
    through.sendRaw(frames);
    const different: string[] = [];
    for (const message of messages) {
      const expected = (await direct.receive()).toString('hex');
      const answer = (await through.receive()).toString('hex');
      if (answer !== expected) different.push(`${message.toString('hex')}: ${answer}, not ${expected}`);
    }
    // A session-bind is warden's own, answered as the newest ssh-agent does; 9.2 says 05.
    expect(different).toEqual([`${extension(SESSION_BIND).toString('hex')}: 1c, not 05`]);
  });

  test('a lock that ends the agent behind is a FAILURE', async () => {
    const client = await connected(await start((await agent()).socket));
    expect(await client.request(Buffer.from([MESSAGE.lock]))).toEqual(FAILURE);
    expect(await client.identities()).toEqual([]);
  });

  test('ssh-add says the same as to the agent itself', async () => {
    const ca = await makeKey(directory.path, 'ca');
    const key = await makeKey(directory.path, 'key');
    const plain = await makeKey(directory.path, 'plain', 'ecdsa256');
    await certify(ca, key, { principals: ['someone'] });
    const hosts = directory.write('known_hosts', `${knownHostsLine(['web'], ca.publicKey)}\n`);
    const script = [
      ['-l'],
      ['-t', '3600', key.path],
      ['-L'],
      ['-T', `${key.path}.pub`],
      ['-d', key.path],
      ['-c', plain.path],
      ['-T', `${plain.path}.pub`],
      ['-D'],
      ['-h', 'web', '-H', hosts, plain.path],
      ['-l'],
      ['-x'],
      ['-l'],
      [key.path],
      ['-T', `${plain.path}.pub`],
      ['-x'],
      ['-X'],
      ['-X'],
      ['-l'],
      ['-s', '/nowhere/provider.so'],
      ['-e', '/nowhere/provider.so'],
      ['-d', key.path],
      ['-D'],
      ['-L'],
    ];
    const play = async (socket: string) => {
      const said: unknown[] = [];
      for (const args of script) {
        const { code, stdout, stderr } = await sshAdd(socket, ...args);
        said.push([args.join(' '), code, stdout, stderr]);
      }
      return said;
    };
    const through = await start((await agent()).socket);
    const [expected, said] = await Promise.all([play((await agent()).socket), play(through)]);
    expect(said).toEqual(expected);
  }, 30_000);

  test('what ssh-add says of constraints and smartcards reaches the agent behind byte for byte', async () => {
    const key = await makeKey(directory.path, 'key');
    const hosts = directory.write(
      'known_hosts',
      `${knownHostsLine(['bastion', 'web'], key.publicKey)}\n${knownHostsLine(['web'], key.publicKey)}\n`,
    );
    const [direct, behind] = [await startFakeUpstream(() => SUCCESS), await startFakeUpstream(() => SUCCESS)];
    opened.push(
      () => direct.stop(),
      () => behind.stop(),
    );
    const through = await start(behind.socket);
    const script = [
      ['-t', '60', '-c', key.path],
      ['-h', 'web', '-h', 'bastion>ops@web', '-H', hosts, key.path],
      ['-t', '60', '-c', '-h', 'web', '-H', hosts, '-s', '/nowhere/provider.so'],
      ['-e', '/nowhere/provider.so'],
    ];
    for (const args of script) {
      const [expected, said] = [await sshAdd(direct.socket, ...args), await sshAdd(through, ...args)];
      expect(said).toEqual(expected);
    }
    expect(direct.received.flat().map((message) => message[0])).toEqual([25, 25, 26, 21]);
    expect(behind.received.flat()).toEqual(direct.received.flat());
  });

  test('without an agent behind everything that is to be kept or done is refused out loud', async () => {
    const key = await makeKey(directory.path, 'key');
    const socket = await start(undefined);
    for (const args of [
      [key.path],
      ['-c', key.path],
      ['-d', key.path],
      ['-D'],
      ['-x'],
      ['-X'],
      ['-s', '/nowhere/provider.so'],
      ['-e', '/nowhere/provider.so'],
    ]) {
      const { code, stderr } = await sshAdd(socket, ...args);
      expect([args, code, stderr]).toEqual([args, 1, expect.stringMatching(/./)]);
    }
    expect(await listIdentities(socket)).toEqual([]);
    const client = await connected(socket);
    expect(await client.request(extension('query'))).toEqual(encodeQueryAnswer(['query', SESSION_BIND]));
    expect(await client.request(extension('foo@example.com'))).toEqual(FAILURE);
  });

  test.each(['closes the connection', 'answers FAILURE'])(
    'the keys of an agent that %s on a session-bind are listed and sign after one',
    async (how) => {
      const real = await agent();
      const key = await makeKey(directory.path, 'key');
      await real.add(key.path);
      const back = await connected(real.socket);
      const old = await startFakeUpstream((message) => {
        if (message[0] === MESSAGE.extension) return how === 'answers FAILURE' ? FAILURE : hangUp;
        const copy = Buffer.from(message);
        return (client) => {
          back.request(copy).then(
            (answer) => client.write(encodeFrame(answer)),
            () => client.destroy(),
          );
        };
      });
      opened.push(() => old.stop());
      const socket = await start(old.socket);
      for (let login = 0; login < 2; login += 1) {
        const client = await connected(socket);
        expect(await client.bind(syntheticBind(newHostKey()))).toBe(true);
        const [identity, ...more] = await client.identities();
        expect([identity?.comment, more]).toEqual(['key', []]);
        expect(await client.sign(identity?.blob ?? Buffer.alloc(0), Buffer.from('data'))).toBeDefined();
      }
      // The second login knew.
      const binds = old.received.map((messages) => messages.filter(([type]) => type === MESSAGE.extension));
      expect(binds.map(({ length }) => length)).toEqual(how === 'answers FAILURE' ? [1, 1] : [1, 1, 0, 0]);
    },
  );
});

describe('ssh-add -x', () => {
  const missing = realPartsMissing();
  let behind: SshAgent;
  let key: KeyFile;
  let rig: Rig;
  const keys = tempDirectory();
  beforeAll(async () => {
    if (missing !== undefined) return;
    behind = await startSshAgent();
    key = await makeKey(keys.path, 'key');
    await behind.add(key.path);
    rig = await startRig({
      // The raw client below is no ssh.
      warden: () => ({ upstream: behind.socket, clock: systemClock, agent: { direct_peers: 'any' } }),
    });
  });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    await rig?.remove();
    await behind?.stop();
    keys.remove();
  });

  test('locks what warden mints with the keys behind, on every connection, until ssh-add -X', async () => {
    const { socket } = rig.warden;
    const hostKey = rig.sshd.hostKeys[0];
    if (hostKey === undefined) throw new Error('sshd has no host key');
    const bind = syntheticBind(readPrivateKey(hostKey.path));
    const held = await connected(socket);
    expect(await held.bind(bind)).toBe(true);
    const [identity] = await held.identities();
    const certificate = identity?.blob ?? Buffer.alloc(0);
    expect(identity?.comment).toMatch(/^warden: web/);
    const data = encodeLoginData({ sessionId: bind.sessionId, user: rig.sshd.user, key: certificate });
    expect((await rig.login()).code).toBe(0);

    expect((await sshAdd(socket, '-x')).code).toBe(0);
    const minted = () => rig.warden.trail().filter(({ phase }) => phase !== 'single').length;
    const before = minted();
    expect((await rig.login()).code).toBe(255);
    expect(await listIdentities(socket)).toEqual([]);
    expect(await held.identities()).toEqual([]);
    expect(await held.sign(certificate, data)).toBeUndefined();
    expect(minted()).toBe(before);
    const why = await rig.warden.cli(['why', '127.0.0.1']);
    expect(why.stdout).toContain('the agent is locked (agent_locked)');
    // A passphrase that is wrong unlocks nothing.
    const wrong = new Writer().u8(MESSAGE.unlock).string('wrong').done();
    expect(await held.request(wrong)).toEqual(FAILURE);
    expect(await held.identities()).toEqual([]);

    expect((await sshAdd(socket, '-X')).code).toBe(0);
    expect((await held.identities()).map(({ blob }) => blob)).toEqual([certificate]);
    expect((await held.request(encodeSignRequest(certificate, data)))[0]).toBe(MESSAGE.signResponse);
    expect((await rig.login()).code).toBe(0);
    expect((await (await connected(socket)).request(LIST))[0]).toBe(MESSAGE.identitiesAnswer);
  }, 30_000);
});
