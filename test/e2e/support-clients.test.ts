/** The clients that attack tests use, tried on OpenSSH's ssh-agent and sshd: what they send is genuine, and what they see is there. */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MESSAGE } from '../../agent/protocol/messages.ts';
import { parsePublicKey, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { verifySignature } from '../../src/ssh/signature.ts';
import { AgentClient, encodeBind, encodeLoginData, LIST, NoAnswer } from '../support/agent-client.ts';
import {
  asyncsshLogin,
  asyncsshMissing,
  hostileClientArgv,
  parseHostileAnswer,
} from '../support/asyncssh.ts';
import { captureBind, newHostKey, startRecordingAgent, syntheticBind } from '../support/binds.ts';
import {
  type KeyFile,
  type KeyType,
  makeKey,
  publicBlob,
  readPrivateKey,
  signBlob,
} from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { run } from '../support/process.ts';
import { ssh } from '../support/ssh.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, sshdMissing, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const TYPES = ['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const satisfies readonly KeyType[];
const noSshd = sshdMissing();
const noAsyncssh = asyncsshMissing();
const directory = tempDirectory();
let agent: SshAgent;
let key: KeyFile;
let keyBlob: Buffer;

beforeAll(async () => {
  agent = await startSshAgent();
  key = await makeKey(directory.path, 'id');
  keyBlob = parsePublicKeyLine(key.publicKey).blob;
  await agent.add(key.path);
});
afterAll(async () => {
  await agent.stop();
  directory.remove();
});

async function connected<T>(use: (client: AgentClient) => Promise<T>): Promise<T> {
  const client = await AgentClient.connect(agent.socket);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

describe('the raw client', () => {
  test('lists and has signed what ssh-agent holds', async () => {
    await connected(async (client) => {
      expect(await client.identities()).toEqual([{ blob: keyBlob, comment: 'id' }]);
      const data = Buffer.from('anything');
      const signature = await client.sign(keyBlob, data);
      expect(verifySignature(parsePublicKey(keyBlob), data, signature ?? Buffer.alloc(0))).toBe(true);
      expect(await client.sign(publicBlob(newHostKey()), data)).toBeUndefined();
    });
  });

  test('ssh-agent signs with a destination-bound key the login of the bound session and no other', async () => {
    const bind = syntheticBind(newHostKey());
    const line = `somewhere ssh-ed25519 ${bind.hostKey.toString('base64')}`;
    const hosts = await writeKnownHosts(directory, [line], { name: 'somewhere' });
    const narrow = await makeKey(directory.path, 'narrow');
    await agent.add('-h', 'somewhere', '-H', hosts, narrow.path);
    await connected(async (client) => {
      expect(await client.identities()).toHaveLength(2);
      expect(await client.bind(bind)).toBe(true);
      const blob = parsePublicKeyLine(narrow.publicKey).blob;
      const login = { user: 'ops', key: blob, hostKey: bind.hostKey, sessionId: bind.sessionId };
      const refused = [{ sessionId: Buffer.alloc(32) }, { hostKey: keyBlob }, { service: 'ssh-userauth' }];
      for (const change of refused) {
        expect(await client.sign(blob, encodeLoginData({ ...login, ...change }))).toBeUndefined();
      }
      expect(await client.sign(blob, encodeLoginData(login))).toBeDefined();
    });
    await agent.add('-d', narrow.path);
  });

  test('answers come in order, also to bytes in pieces, and the end of a connection is seen', async () => {
    await connected(async (client) => {
      client.sendRaw(Buffer.from([0, 0, 0, 1, 11, 0, 0]));
      expect((await client.receive())[0]).toBe(MESSAGE.identitiesAnswer);
      client.sendRaw(Buffer.from([0, 1, 255]));
      expect((await client.receive())[0]).toBe(MESSAGE.failure);
      await expect(client.receive(50)).rejects.toThrow('no answer within 50 ms');
      client.sendRaw(Buffer.from([255, 255, 255, 255, 0]));
      await client.waitForClose();
      await expect(client.request(LIST)).rejects.toThrow(NoAnswer);
    });
    await expect(AgentClient.connect(directory.join('nobody'))).rejects.toThrow('ENOENT');
  });
});

describe('binds', () => {
  test.each(TYPES)('one made with an %s host key is taken, a changed one is not', async (type) => {
    const bind = syntheticBind(newHostKey(type));
    expect(await connected((client) => client.bind(bind))).toBe(true);
    const changed = { ...bind, sessionId: Buffer.alloc(32) };
    expect(await connected((client) => client.bind(changed))).toBe(false);
  });

  test.each(TYPES)('the private file of an %s key is read', async (type) => {
    const file = await makeKey(directory.path, `file-${type}`, type);
    const privateKey = readPrivateKey(file.path);
    const blob = parsePublicKeyLine(file.publicKey).blob;
    expect(publicBlob(privateKey)).toEqual(blob);
    const data = Buffer.from('signed');
    expect(verifySignature(parsePublicKey(blob), data, signBlob(privateKey, data))).toBe(true);
  });

  test('one captured from ssh is what the server signed', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const sshd = await startSshd({ hostKeys: ['ecdsa521'] });
    try {
      const bind = await captureBind({ port: sshd.port, user: sshd.user });
      expect(bind.hostKey).toEqual(parsePublicKeyLine(sshd.hostKeys[0]?.publicKey ?? '').blob);
      expect(verifySignature(parsePublicKey(bind.hostKey), bind.sessionId, bind.signature)).toBe(true);
      expect(await connected((client) => client.bind(bind, true))).toBe(true);
      expect(sshd.logins()).toEqual([]);
    } finally {
      await sshd.stop();
    }
    await expect(captureBind({ port: sshd.port })).rejects.toThrow('ssh sent no bind');
  });

  test('the recorder keeps what it was sent', async () => {
    const recorder = await startRecordingAgent();
    const bind = syntheticBind(newHostKey());
    const client = await AgentClient.connect(recorder.socket);
    expect(await client.bind(bind, true)).toBe(true);
    expect(await client.identities()).toEqual([]);
    expect(recorder.messages).toEqual([encodeBind(bind, true), LIST]);
    expect(recorder.binds()).toEqual([{ ...bind, forwarded: true }]);
    await recorder.stop();
    await client.waitForClose();
    expect(existsSync(recorder.socket)).toBe(false);
  });
});

describe('the hostile client', () => {
  let sshd: Sshd;
  let knownHosts: string;

  beforeAll(async () => {
    if (noSshd !== undefined) return;
    sshd = await startSshd({ authorizedKeys: [key.publicKey] });
    knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  });
  afterAll(async () => {
    await sshd?.stop();
  });

  test('binds a session of its own to a destination and sees what the agent shows', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const argv = hostileClientArgv({ port: sshd.port, agent: agent.socket });
    const [program = '', ...args] = argv;
    const answer = parseHostileAnswer((await run(program, args)).stdout);
    expect(answer).toEqual({
      bind: MESSAGE.success,
      list: MESSAGE.identitiesAnswer,
      identities: [{ blob: keyBlob, comment: 'id' }],
      ssh: 255,
    });
  });

  test('does so on the far side of ssh -A, where the forwarding ssh has bound the connection first', async (ctx) => {
    if (noSshd !== undefined) ctx.skip(noSshd);
    const recorder = await startRecordingAgent();
    try {
      const forwarded = await ssh({
        port: sshd.port,
        user: sshd.user,
        agent: agent.socket,
        options: [`ForwardAgent=${recorder.socket}`],
        knownHosts,
        command: hostileClientArgv({ port: sshd.port }),
      });
      expect(forwarded.stderr).toBe('');
      expect(parseHostileAnswer(forwarded.stdout)).toMatchObject({ bind: MESSAGE.success, identities: [] });
      expect(recorder.binds().map((bind) => bind.forwarded)).toEqual([true, false]);
    } finally {
      await recorder.stop();
    }
  });

  test("is the first to bind where asyncssh forwards: that bind's flag says direct", async (ctx) => {
    const missing = noSshd ?? noAsyncssh;
    if (missing !== undefined) ctx.skip(missing);
    const recorder = await startRecordingAgent();
    try {
      const result = await asyncsshLogin({
        port: sshd.port,
        user: sshd.user,
        knownHosts,
        agent: agent.socket,
        forward: recorder.socket,
        command: hostileClientArgv({ port: sshd.port }).join(' '),
      });
      expect(result.stderr).toBe('');
      expect(parseHostileAnswer(result.stdout)).toMatchObject({ bind: MESSAGE.success, identities: [] });
      expect(recorder.binds().map((bind) => bind.forwarded)).toEqual([false]);
    } finally {
      await recorder.stop();
    }
  });

  test('asyncssh without a key that is authorized has no login', async (ctx) => {
    const missing = noSshd ?? noAsyncssh;
    if (missing !== undefined) ctx.skip(missing);
    const stranger = await makeKey(directory.path, 'stranger');
    const login = { port: sshd.port, user: sshd.user, knownHosts, key: stranger.path, command: 'true' };
    expect(await asyncsshLogin(login)).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('denied'),
    });
  });
});
