/** The agent behind: order, deadlines, what it says too much, and that it is dialled again with the binds first. */
import { renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeFrame } from '../../../../agent/protocol/frames.ts';
import { FAILURE, SUCCESS } from '../../../../agent/protocol/messages.ts';
import { Upstream } from '../../../../agent/upstream/upstream.ts';
import { UpstreamState } from '../../../../agent/upstream/upstream-state.ts';
import { asWardenError } from '../../../../src/errors.ts';
import { encodeBind } from '../../../support/agent-client.ts';
import { PYTHON, start, until } from '../../../support/process.ts';
import { tempDirectory } from '../../../support/temp.ts';
import { type Behaviour, type FakeUpstream, hang, hangUp, startFakeUpstream } from '../fake-upstream.ts';

const opened: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const echo: Behaviour = (message) => Buffer.from(message);

async function pair(
  behaviour: Behaviour = echo,
): Promise<{ fake: FakeUpstream; upstream: Upstream; state: UpstreamState }> {
  const fake = await startFakeUpstream(behaviour);
  const state = new UpstreamState(fake.socket);
  const upstream = new Upstream(state);
  opened.push(
    () => fake.stop(),
    () => upstream.close(),
  );
  return { fake, upstream, state };
}

/** Why a request failed: its code and its message. */
async function failure(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'it did not fail';
  } catch (thrown) {
    const { code, message, hint } = asWardenError(thrown);
    expect(hint).not.toBe('');
    return `${code}: ${message}`;
  }
}

const message = (text: string) => Buffer.from(text);
const bindOf = (id: number) =>
  encodeBind({ hostKey: Buffer.from('key'), sessionId: Buffer.alloc(32, id), signature: Buffer.from('s') });

describe('one connection', () => {
  test('is dialled when it is first needed, and serves every request in order', async () => {
    const { fake, upstream } = await pair();
    expect(fake.received).toHaveLength(0);
    for (let i = 0; i < 20; i += 1)
      expect(await upstream.request(message(`m${i}`))).toEqual(message(`m${i}`));
    expect(fake.received).toHaveLength(1);
    upstream.close();
    await until('the connection is closed', () => fake.open() === 0);
  });

  test('an answer in pieces is put together', async () => {
    const answer = Buffer.alloc(5000, 9);
    const { upstream } = await pair(() => (client) => {
      const frame = encodeFrame(answer);
      client.write(frame.subarray(0, 3));
      setTimeout(() => client.write(frame.subarray(3, 2000)), 5);
      setTimeout(() => client.write(frame.subarray(2000)), 10);
    });
    expect(await upstream.request(message('?'))).toEqual(answer);
  });

  test('two connections of clients are two of the upstream', async () => {
    const { fake, upstream, state } = await pair();
    const second = new Upstream(state);
    await upstream.request(message('a'));
    await second.request(message('b'));
    second.close();
    expect(fake.received).toEqual([[message('a')], [message('b')]]);
  });
});

describe('binds', () => {
  test('alone dial nobody; they come first once somebody is dialled, and at once when he is', async () => {
    const { fake, upstream } = await pair();
    await upstream.bind(bindOf(1));
    await upstream.bind(bindOf(2));
    expect(fake.received).toHaveLength(0);
    await upstream.request(message('list'));
    await upstream.bind(bindOf(3));
    expect(fake.received).toEqual([[bindOf(1), bindOf(2), message('list'), bindOf(3)]]);
  });

  test('a refused bind stops nothing: ssh does not look at the answer either', async () => {
    const { upstream } = await pair((request) => (request[0] === 27 ? FAILURE : SUCCESS));
    await upstream.bind(bindOf(1));
    expect(await upstream.request(message('list'))).toEqual(SUCCESS);
  });

  test('no more than 17 are kept', async () => {
    const { fake, upstream } = await pair();
    for (let id = 0; id < 40; id += 1) await upstream.bind(bindOf(id));
    await upstream.request(message('list'));
    expect(fake.received[0]).toHaveLength(18);
  });

  test('a bind is kept as it was, whatever becomes of the buffer that it came in', async () => {
    const { fake, upstream } = await pair();
    const buffer = bindOf(1);
    await upstream.bind(buffer);
    buffer.fill(0);
    await upstream.request(message('list'));
    expect(fake.received[0]?.[0]).toEqual(bindOf(1));
  });
});

describe('an upstream that closes on binds', () => {
  const closing: Behaviour = (request) => (request[0] === 27 ? hangUp : Buffer.from(request));

  test('is dialled again without them, and no connection sends it one again', async () => {
    const { fake, upstream, state } = await pair(closing);
    await upstream.bind(bindOf(1));
    expect(await upstream.request(message('a'))).toEqual(message('a'));
    // Twice, so that a restart just then is not taken for it.
    expect(fake.received).toEqual([[bindOf(1)], [bindOf(1)], [message('a')]]);
    await upstream.bind(bindOf(2));
    expect(await upstream.request(message('b'))).toEqual(message('b'));
    const second = new Upstream(state);
    await second.bind(bindOf(3));
    expect(await second.request(message('c'))).toEqual(message('c'));
    second.close();
    expect(fake.received.slice(2)).toEqual([[message('a'), message('b')], [message('c')]]);
  });

  test('after a list too', async () => {
    const { fake, upstream } = await pair(closing);
    await upstream.request(message('a'));
    await upstream.bind(bindOf(1));
    expect(await upstream.request(message('b'))).toEqual(message('b'));
    expect(fake.received.at(-1)).toEqual([message('b')]);
  });

  test('once is a restart: it gets them again', async () => {
    const { fake, upstream, state } = await pair((request, connection) =>
      connection === 0 ? hangUp : Buffer.from(request),
    );
    await upstream.bind(bindOf(1));
    expect(await upstream.request(message('a'))).toEqual(message('a'));
    expect(fake.received).toEqual([[bindOf(1)], [bindOf(1), message('a')]]);
    expect(state.takesBinds()).toBe(true);
  });

  test('and everything else is not remembered for it', async () => {
    const { upstream, state } = await pair(() => hangUp);
    await upstream.bind(bindOf(1));
    expect(await failure(upstream.request(message('a')))).toMatch(/closed the connection/);
    expect(state.takesBinds()).toBe(true);
  });

  test('another agent in its place gets them', async () => {
    const { fake, upstream, state } = await pair(closing);
    await upstream.bind(bindOf(1));
    await upstream.request(message('a'));
    expect(state.takesBinds()).toBe(false);
    renameSync(fake.socket, `${fake.socket}.old`);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(fake.socket, resolve));
    opened.push(() => new Promise((resolve) => server.close(resolve)));
    expect(state.takesBinds()).toBe(true);
  });
});

describe('a bind of more than 16 KiB', () => {
  test('keeps the upstream away: unbound it would let restricted keys be used', async () => {
    const { fake, upstream } = await pair();
    await upstream.request(message('a'));
    const large = Buffer.alloc(16 * 1024 + 1, 27);
    await upstream.bind(large);
    expect(await failure(upstream.request(message('b')))).toMatch(/more than 16384 bytes/);
    expect(fake.received).toEqual([[message('a')]]);
  });

  test('of just 16 KiB is kept', async () => {
    const { fake, upstream } = await pair();
    await upstream.bind(Buffer.alloc(16 * 1024, 27));
    await upstream.request(message('a'));
    expect(fake.received[0]).toHaveLength(2);
  });
});

describe('an upstream that goes', () => {
  test('in the midst of a request fails that request; the next one dials again, binds first', async () => {
    const { fake, upstream } = await pair();
    await upstream.bind(bindOf(1));
    await upstream.request(message('a'));
    fake.behaviour = () => hangUp;
    expect(await failure(upstream.request(message('b')))).toMatch(
      /^upstream_unavailable: .* closed the connection/,
    );
    fake.behaviour = echo;
    expect(await upstream.request(message('c'))).toEqual(message('c'));
    expect(fake.received).toEqual([
      [bindOf(1), message('a'), message('b')],
      [bindOf(1), message('c')],
    ]);
  });

  test('while nobody asks is dialled again when somebody does', async () => {
    const { fake, upstream } = await pair();
    await upstream.request(message('a'));
    fake.drop();
    await until('the connection is closed', () => fake.open() === 0);
    // The end reaches us a moment after it has left the other side.
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await upstream.request(message('b'))).toEqual(message('b'));
    expect(fake.received).toHaveLength(2);
  });

  test('after half an answer has not answered', async () => {
    const { upstream } = await pair(
      () => (client) => client.end(encodeFrame(message('answer')).subarray(0, 6)),
    );
    expect(await failure(upstream.request(message('a')))).toMatch(/closed the connection/);
  });
});

describe('an upstream that hangs', () => {
  test("fails a request at its deadline, and its late answer is nobody else's", async () => {
    const { fake, upstream } = await pair((_request, connection) =>
      connection === 0 ? hang : message('fresh'),
    );
    expect(await failure(upstream.request(message('a'), 50))).toMatch(
      /^upstream_unavailable: .* did not answer within 50 ms/,
    );
    // A new connection: on the old one the next answer would be the one to the first question.
    expect(await upstream.request(message('b'))).toEqual(message('fresh'));
    expect(fake.received).toHaveLength(2);
  });

  test('on the binds too', async () => {
    const { upstream } = await pair(() => hang);
    await upstream.bind(bindOf(1));
    expect(await failure(upstream.request(message('a'), 50))).toMatch(/did not answer within 50 ms/);
  });

  test('on each a little: dialling, binds and the request share one deadline', async () => {
    const { upstream } = await pair((request) => (client) => {
      setTimeout(() => client.write(encodeFrame(request)), 40);
    });
    for (let id = 0; id < 16; id += 1) await upstream.bind(bindOf(id));
    expect(await failure(upstream.request(message('a'), 300))).toMatch(/did not answer within 300 ms/);
  });

  test('before it takes a connection: its queue is full', async () => {
    const directory = tempDirectory();
    const path = directory.socket('full');
    const program = [
      'import socket, sys, time',
      's = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(0)',
      'c = socket.socket(socket.AF_UNIX); c.connect(sys.argv[1])',
      'print("full", flush=True); time.sleep(60)',
    ].join('\n');
    const full = start(PYTHON, ['-c', program, path]);
    opened.push(
      () => directory.remove(),
      () => full.stop(),
    );
    await full.waitFor('full');
    const upstream = new Upstream(new UpstreamState(path));
    expect(await failure(upstream.request(message('a'), 50))).toMatch(/^upstream_unavailable: /);
    upstream.close();
  });
});

describe('an upstream that says what it was not asked', () => {
  test('two answers to one question: the connection is dropped with the second', async () => {
    const { fake, upstream } = await pair(() => (client) => {
      client.write(Buffer.concat([encodeFrame(message('one')), encodeFrame(message('two'))]));
    });
    expect(await upstream.request(message('a'))).toEqual(message('one'));
    fake.behaviour = echo;
    expect(await upstream.request(message('b'))).toEqual(message('b'));
    expect(fake.received).toHaveLength(2);
  });

  test.each([
    ['a frame of 4 GiB', Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ['a frame of nothing', Buffer.alloc(4)],
  ])('%s', async (_what, bytes) => {
    const { upstream } = await pair(() => (client) => client.write(bytes));
    expect(await failure(upstream.request(message('a')))).toMatch(/sent a frame that is no frame/);
  });
});

describe('no upstream', () => {
  test('at all', async () => {
    const upstream = new Upstream(new UpstreamState(undefined));
    expect(upstream.configured).toBe(false);
    await upstream.bind(bindOf(1));
    expect(await failure(upstream.request(message('a')))).toMatch(/is not configured/);
    upstream.close();
  });

  test('behind its path, and then one', async () => {
    const directory = tempDirectory();
    opened.push(() => directory.remove());
    const upstream = new Upstream(new UpstreamState(directory.socket('gone')));
    expect(await failure(upstream.request(message('a')))).toMatch(/ENOENT/);
    const server = createServer((client) => client.on('data', () => client.write(encodeFrame(SUCCESS))));
    await new Promise<void>((resolve) => server.listen(directory.socket('gone'), resolve));
    opened.push(() => new Promise((resolve) => server.close(resolve)));
    expect(await upstream.request(message('a'))).toEqual(SUCCESS);
    upstream.close();
  });
});
