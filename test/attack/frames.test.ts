/** Clients that don't keep to the protocol or take no answers: each costs its own connection and nobody else's login. */
import { chmodSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { encodeFrame, MAX_FRAME } from '../../agent/protocol/frames.ts';
import { MESSAGE, parseIdentities } from '../../agent/protocol/messages.ts';
import { Writer } from '../../src/ssh/wire.ts';
import { AgentClient, encodeBind, encodeSignRequest, LIST } from '../support/agent-client.ts';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import {
  ANY_PEER,
  connected,
  expectHonestLogin,
  expectRefusals,
  genuineBind,
  honestLogin,
  watchRefusals,
} from './matrix.ts';

const rig = useRig(ANY_PEER);
const QUERY = new Writer().u8(MESSAGE.extension).string('query').done();

function length(bytes: number): Buffer {
  return new Writer().u32(bytes).done();
}

test.each([
  ['0 bytes', length(0)],
  ['256 KiB and a byte', Buffer.concat([length(MAX_FRAME + 1), Buffer.alloc(1000)])],
  ['4 GiB less a byte', Buffer.concat([length(0xffffffff), Buffer.alloc(1000)])],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: agent\r\n\r\n')],
])('a frame of %s ends its connection', async (_what, bytes) => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    client.sendRaw(bytes);
    await client.waitForClose();
    await expect(client.receive()).rejects.toThrow('closed');
  });
  await expectRefusals(refusals, ['agent.bind_refused malformed']);
});

test('a frame of 256 KiB is one, and what is not known is a failure', async () => {
  await connected(rig().warden.socket, async (client) => {
    expect(await client.request(Buffer.alloc(MAX_FRAME, 200))).toEqual(Buffer.from([MESSAGE.failure]));
    expect(await client.request(Buffer.from([0]))).toEqual(Buffer.from([MESSAGE.failure]));
    expect((await client.request(QUERY))[0]).toBe(MESSAGE.extensionResponse);
  });
});

test('a list request with something in it is none', async () => {
  const refusals = watchRefusals(rig());
  await connected(rig().warden.socket, async (client) => {
    expect(await client.request(Buffer.concat([LIST, Buffer.from([0])]))).toEqual(Buffer.from([5]));
  });
  await expectRefusals(refusals, ['agent.bind_refused malformed']);
});

test('half frames wait, and end with their connection', async () => {
  const clients = await Promise.all(
    Array.from({ length: 20 }, () => AgentClient.connect(rig().warden.socket)),
  );
  for (const client of clients) client.sendRaw(Buffer.concat([length(MAX_FRAME), Buffer.alloc(1000)]));
  await expectHonestLogin(rig());
  for (const client of clients.slice(0, 10)) client.close();
  for (const client of clients.slice(10)) client.halfClose();
  await Promise.all(clients.slice(10).map((client) => client.waitForClose()));
});

test('a login that comes a byte at a time works', async () => {
  const bind = genuineBind(rig());
  const client = await AgentClient.connect(rig().warden.socket);
  const slowly = async (message: Buffer) => {
    for (const byte of encodeFrame(message)) {
      client.sendRaw(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return client.receive();
  };
  try {
    expect((await slowly(encodeBind(bind)))[0]).toBe(MESSAGE.success);
    const [identity] = parseIdentities(await slowly(LIST));
    if (identity === undefined) throw new Error('nothing was minted');
    const request = encodeSignRequest(identity.blob, honestLogin(rig(), bind, identity));
    expect((await slowly(request))[0]).toBe(MESSAGE.signResponse);
  } finally {
    client.close();
  }
});

test('a client that has closed its half gets every answer, a certificate too', async () => {
  await connected(rig().warden.socket, async (client) => {
    client.send(encodeBind(genuineBind(rig())));
    client.send(LIST);
    client.send(QUERY);
    client.halfClose();
    expect((await client.receive())[0]).toBe(MESSAGE.success);
    expect(parseIdentities(await client.receive())).toHaveLength(1);
    expect((await client.receive())[0]).toBe(MESSAGE.extensionResponse);
    await client.waitForClose();
  });
});

test('requests in one piece are answered in their order', async () => {
  await connected(rig().warden.socket, async (client) => {
    const kinds = [
      { request: LIST, answer: MESSAGE.identitiesAnswer },
      { request: QUERY, answer: MESSAGE.extensionResponse },
      { request: Buffer.from([200]), answer: MESSAGE.failure },
    ];
    const sent = Array.from({ length: 300 }, (_, i) => kinds[(i * i + Math.floor(i / 7)) % 3]).filter(
      (kind) => kind !== undefined,
    );
    expect(sent).toHaveLength(300);
    client.sendRaw(
      Buffer.concat([
        encodeFrame(encodeBind(genuineBind(rig()))),
        ...sent.map(({ request }) => encodeFrame(request)),
      ]),
    );
    expect((await client.receive())[0]).toBe(MESSAGE.success);
    for (const { answer } of sent) expect((await client.receive())[0]).toBe(answer);
  });
});

/** A socket that sends and never reads. */
async function deaf(path: string): Promise<Socket> {
  const socket = connect(path);
  socket.pause();
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}

test('a client that never reads stops being read, and delays nobody', async () => {
  const socket = await deaf(rig().warden.socket);
  try {
    const lists = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame(LIST)));
    let taken = 0;
    // Until neither the agent nor the kernel takes more: then what the agent holds for this client is bounded.
    for (; taken < 2000; taken += 1) {
      if (socket.write(lists)) continue;
      const drained = await Promise.race([
        new Promise((resolve) => socket.once('drain', () => resolve(true))),
        new Promise((resolve) => setTimeout(() => resolve(false), 300)),
      ]);
      if (drained === false) break;
    }
    expect(taken).toBeLessThan(2000);
    await expectHonestLogin(rig());
  } finally {
    socket.destroy();
  }
});

test('another user is turned away, from a socket that lets everybody in', async (ctx) => {
  if (process.getuid?.() !== 0) ctx.skip('needs root to be somebody else');
  const { socket, dir } = rig().warden;
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--', 'ssh-add', '-l'];
  const refusals = watchRefusals(rig());
  chmodSync(dir.path, 0o711);
  chmodSync(dir.join('run'), 0o711);
  chmodSync(socket, 0o666);
  try {
    const options = { env: { SSH_AUTH_SOCK: socket } };
    expect((await run('ssh-add', ['-l'], options)).stdout).toContain('no identities');
    const nobody = await run('setpriv', asNobody, options);
    // The connection is closed at once: ssh-add dies of SIGPIPE, or says that the communication failed.
    expect(nobody.stdout).toBe('');
    expect(nobody.code).not.toBe(0);
    await expect.poll(() => refusals().at(-1)?.caller?.uid).toBe(65534);
  } finally {
    chmodSync(socket, 0o600);
    chmodSync(dir.join('run'), 0o700);
    chmodSync(dir.path, 0o700);
  }
});

test('afterwards an honest login works', async () => {
  await expectHonestLogin(rig());
});
