/** One client's connection over a real socket: order, what may wait, half-closed clients, clients that go or never read. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { serveConnection } from '../../../../agent/connection.ts';
import { encodeFrame } from '../../../../agent/protocol/frames.ts';
import { AgentClient } from '../../../support/agent-client.ts';
import { until } from '../../../support/process.ts';
import { type TempDirectory, tempDirectory } from '../../../support/temp.ts';

let directory: TempDirectory;
let path: string;
let server: Server;
/** The daemon's side of the newest connection. */
let served: Socket | undefined;
const connections = new Set<Socket>();
let answer: (message: Buffer) => Promise<Buffer>;
let asked: Buffer[];
let refused: string[];
/** Of this test's connections; one of an earlier test may still be ending. */
let count: { closes: number };

beforeEach(async () => {
  directory = tempDirectory();
  path = directory.socket('agent');
  asked = [];
  refused = [];
  const counted = { closes: 0 };
  count = counted;
  answer = (message) => Promise.resolve(Buffer.from(message));
  server = createServer({ allowHalfOpen: true }, (socket) => {
    served = socket;
    connections.add(socket);
    serveConnection(socket, {
      answer: (message) => {
        asked.push(Buffer.from(message));
        return answer(message);
      },
      refused: (what) => {
        refused.push(what);
        return Buffer.from([5]);
      },
      close: () => {
        counted.closes += 1;
      },
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
});
afterEach(async () => {
  vi.useRealTimers();
  for (const socket of connections) socket.destroy();
  connections.clear();
  await new Promise((resolve) => server.close(resolve));
  directory.remove();
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('order', () => {
  test('answers come in the order of the requests, however long each takes', async () => {
    answer = async (message) => {
      await sleep(message[0] === 0 ? 30 : 0);
      return Buffer.from(message);
    };
    const client = await AgentClient.connect(path);
    const messages = Array.from({ length: 32 }, (_, i) => Buffer.from([i % 8, i]));
    client.sendRaw(Buffer.concat(messages.map(encodeFrame)));
    for (const message of messages) expect(await client.receive()).toEqual(message);
    client.close();
  });

  test('one at a time: the next request is not looked at before the answer', async () => {
    let release: (message: Buffer) => void = () => undefined;
    answer = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const client = await AgentClient.connect(path);
    client.send(Buffer.from([1]));
    client.send(Buffer.from([2]));
    await until('the first request', () => asked.length === 1);
    await sleep(20);
    expect(asked).toHaveLength(1);
    release(Buffer.from([1]));
    expect(await client.receive()).toEqual(Buffer.from([1]));
    await until('the second request', () => asked.length === 2);
    release(Buffer.from([2]));
    expect(await client.receive()).toEqual(Buffer.from([2]));
    client.close();
  });
});

describe('what may wait', () => {
  test('while an answer is worked on, no more is read than a queue full', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    answer = async (message) => {
      await held;
      return Buffer.from(message);
    };
    const client = await AgentClient.connect(path);
    const message = Buffer.alloc(1000, 7);
    const total = 2000;
    client.sendRaw(Buffer.concat(Array.from({ length: total }, () => encodeFrame(message))));
    await until('the socket is paused', () => served?.isPaused());
    await sleep(50);
    // A queue of 64 and what one read of the socket brings.
    expect(served?.bytesRead).toBeLessThan(200_000);
    release();
    let right = 0;
    for (let i = 0; i < total; i += 1) if ((await client.receive()).equals(message)) right += 1;
    expect(right).toBe(total);
    client.close();
  });

  test('a client that takes no answers for 30 s is let go', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    answer = () => Promise.resolve(Buffer.alloc(200_000));
    const client = connect(path);
    client.pause();
    client.on('error', () => undefined);
    client.write(Buffer.concat(Array.from({ length: 50 }, () => encodeFrame(Buffer.from([1])))));
    await vi.waitFor(() => expect(served?.writableNeedDrain).toBe(true));
    expect(asked.length).toBeLessThan(50);
    vi.advanceTimersByTime(29_000);
    expect(served?.destroyed).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(served?.destroyed).toBe(true);
    await vi.waitFor(() => expect(count.closes).toBeGreaterThan(0));
    client.destroy();
  });
});

describe('the end', () => {
  test.each([0, 1, 5, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 30, 40])(
    'a half-closed client that reads late gets all of its %d answers',
    async (answers) => {
      answer = () => Promise.resolve(Buffer.alloc(12_000, 3));
      const client = connect({ path, allowHalfOpen: true });
      client.pause();
      await new Promise((resolve) => client.once('connect', resolve));
      client.write(Buffer.concat(Array.from({ length: answers }, () => encodeFrame(Buffer.from([1])))));
      // The requests are served as far as the kernel takes the answers; then comes the end.
      await sleep(10);
      client.end();
      await sleep(10);
      let received = 0;
      client.on('data', (chunk) => {
        received += chunk.length;
      });
      client.resume();
      await new Promise((resolve) => client.once('end', resolve));
      expect(received).toBe(answers * 12_004);
      await until('the state is dropped', () => count.closes > 0);
    },
  );

  test('half a frame before the end has no answer', async () => {
    const client = await AgentClient.connect(path);
    client.sendRaw(encodeFrame(Buffer.from([1, 2, 3])).subarray(0, 5));
    client.halfClose();
    await client.waitForClose();
    expect(asked).toEqual([]);
    expect(count.closes).toBe(1);
  });

  test('what a client left running is dropped when it is done', async () => {
    let release: () => void = () => undefined;
    answer = () =>
      new Promise((resolve) => {
        release = () => resolve(Buffer.from([6]));
      });
    const client = await AgentClient.connect(path);
    client.send(Buffer.from([1]));
    await until('the request', () => asked.length === 1);
    // Gone or half-closed, that shows only when the answer is written.
    client.close();
    release();
    await until('the state is dropped', () => count.closes > 0);
  });

  test('a frame that is none ends the connection, says so, and harms no other', async () => {
    const good = await AgentClient.connect(path);
    const bad = await AgentClient.connect(path);
    bad.sendRaw(Buffer.alloc(4));
    await bad.waitForClose();
    expect(refused).toEqual([expect.stringContaining('a frame of 0 bytes')]);
    expect(count.closes).toBe(1);
    expect(await good.request(Buffer.from([9]))).toEqual(Buffer.from([9]));
    good.close();
  });
});
