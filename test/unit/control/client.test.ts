import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { controlSocket, fetchRefusals, fetchStatus, requestStop } from '../../../src/control/client.ts';
import { tempDirectory } from '../../support/temp.ts';

async function listen(server: Server): Promise<string> {
  const directory = tempDirectory();
  const path = directory.socket('control.sock');
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
    directory.remove();
  });
  return path;
}

/** A control socket that answers everything with this. */
function answering(status: number, body: string | Buffer, seen: string[] = []): Promise<string> {
  return listen(
    createHttpServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      response.writeHead(status).end(body);
    }),
  );
}

/** One that speaks these bytes, and closes where `end` says so. */
function speaking(text: string, end: boolean): Promise<string> {
  return listen(
    createServer((socket) => {
      socket.once('data', () => {
        socket.write(text);
        if (end) socket.end();
      });
    }),
  );
}

const REFUSAL = { time: 't', code: 'no_lane', message: 'm', hint: 'h', hosts: ['a'] };

describe('a daemon', () => {
  test('is asked with the host encoded', async () => {
    const seen: string[] = [];
    const socket = await answering(200, JSON.stringify({ refusals: [REFUSAL] }), seen);
    expect(await fetchRefusals([socket], '[a&b=c]:22/../x')).toEqual([REFUSAL]);
    await fetchRefusals([socket], undefined);
    expect(seen).toEqual(['GET /v1/why?host=%5Ba%26b%3Dc%5D%3A22%2F..%2Fx', 'GET /v1/why']);
  });

  test('is told to stop', async () => {
    const seen: string[] = [];
    await requestStop([await answering(200, '{}', seen)]);
    expect(seen).toEqual(['POST /v1/stop']);
  });

  test('is looked for where nobody listens, then at the next socket', async () => {
    const socket = await answering(200, JSON.stringify({ refusals: [] }));
    const dead = tempDirectory();
    onTestFinished(() => dead.remove());
    const file = dead.write('file', '');
    expect(await fetchRefusals([dead.join('none'), `${file}/control.sock`, socket], undefined)).toEqual([]);
    await expect(fetchStatus([dead.join('none')])).rejects.toMatchObject({
      code: 'not_running',
      message: expect.stringContaining(dead.join('none')),
      hint: expect.stringContaining('warden agent'),
    });
  });
});

describe('what is no daemon of this version', () => {
  test.each([
    ['another status', 404, '{"error":"no such call"}'],
    ['no JSON', 200, '<html>'],
    ['nothing', 200, ''],
    ['garbage', 200, Buffer.from([0xff, 0, 0x1b])],
    ['other JSON', 200, '{"refusals":[{"time":1}]}'],
    ['a list', 200, '[]'],
    ['null', 200, 'null'],
  ])('answers %s', async (_name, status, body) => {
    const socket = await answering(status, body);
    for (const call of [fetchRefusals([socket], undefined), fetchStatus([socket])]) {
      await expect(call).rejects.toMatchObject({
        code: 'not_running',
        message: `what answers at ${socket} is no warden agent of this version`,
        hint: expect.stringContaining('warden agent --stop'),
      });
    }
  });

  test.each([
    ['says nothing and closes', '', true, 'the answer is not whole'],
    ['speaks no HTTP', 'SSH-2.0-x\r\n', true, 'the answer is not whole'],
    ['breaks off', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{', true, 'the answer is not whole'],
    ['never answers', '', false, 'no answer in time'],
    ['never ends', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{', false, 'no answer in time'],
  ])('%s', async (_name, text, end, reason) => {
    const socket = await speaking(text, end);
    await expect(fetchStatus([socket])).rejects.toMatchObject({
      code: 'not_running',
      message: expect.stringContaining(`the warden agent at ${socket} does not answer: ${reason}`),
    });
  });

  test('drips for ever', async () => {
    const socket = await listen(
      createServer((client) => {
        client.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        const drip = setInterval(() => client.write(' '), 50);
        client.once('close', () => clearInterval(drip));
      }),
    );
    await expect(fetchStatus([socket])).rejects.toThrow('no answer in time');
  });

  test('sends ten megabytes', async () => {
    const socket = await answering(200, Buffer.alloc(10 * 1024 * 1024, 0x20));
    await expect(fetchStatus([socket])).rejects.toThrow('the answer is too large');
  });
});

test('the control socket lies beside the agent’s', () => {
  expect(controlSocket('/run/x/agent.sock')).toBe('/run/x/control.sock');
});
