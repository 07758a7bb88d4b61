import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TlsConfig } from '../../../src/config/config.ts';
import { IDLE_TRUSTED_MS } from '../../../src/http/connection.ts';
import {
  type BaoRequest,
  createHttpClient,
  type HttpClient,
  MAX_ANSWER_BYTES,
} from '../../../src/openbao/http-client.ts';
import { freePort } from '../../support/openbao.ts';
import { PYTHON, start } from '../../support/process.ts';

const NO_TLS: TlsConfig = {
  ca: undefined,
  clientCert: undefined,
  clientKey: undefined,
  serverName: undefined,
  skipVerify: false,
};

function client(...addresses: readonly string[]): HttpClient {
  const made = createHttpClient(addresses, NO_TLS);
  onTestFinished(() => made.close());
  return made;
}

async function listen(server: Server): Promise<string> {
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

interface Served {
  readonly address: string;
  readonly requests: string[];
  connections: number;
}

/** An HTTP server that counts. */
async function serve(listener: RequestListener): Promise<Served> {
  const requests: string[] = [];
  const server = createHttpServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    listener(incoming, response);
  });
  const served: Served = { address: '', requests, connections: 0 };
  server.on('connection', () => {
    served.connections += 1;
  });
  return Object.assign(served, { address: await listen(server) });
}

/** A TCP server that sends these bytes when it is spoken to, and then closes where `end` says so. */
function bytes(text: string | Buffer, end = true): Promise<string> {
  return listen(
    createServer((socket) => {
      socket.once('data', () => {
        socket.write(text);
        if (end) socket.end();
      });
    }),
  );
}

/** An address whose connections never come to be: its queue of one is full and nobody accepts. */
async function full(): Promise<string> {
  const program =
    'import socket,sys\ns=socket.socket()\ns.bind(("127.0.0.1",0))\ns.listen(0)\nprint(s.getsockname()[1],flush=True)\nsys.stdin.read()';
  const holder = start(PYTHON, ['-c', program]);
  const port = Number(await holder.waitFor(/^\d+\n/));
  const fillers = [0, 1].map(() => connect(port, '127.0.0.1').on('error', () => undefined));
  onTestFinished(async () => {
    for (const filler of fillers) filler.destroy();
    await holder.stop();
  });
  await new Promise((resolve) => fillers[0]?.once('connect', resolve));
  return `http://127.0.0.1:${port}`;
}

const ok: RequestListener = (_incoming, response) => response.end('{}');
const GET: BaoRequest = { method: 'GET', path: 'sys/health', headers: {}, deadlineMs: 5_000 };

describe('a request', () => {
  test('has its headers and body, and the answer comes as it is', async () => {
    const { address } = await serve((incoming, response) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('end', () => {
        response.writeHead(418, { 'X-Seen': incoming.headers['x-vault-token'] });
        response.end(`${incoming.method} ${incoming.url} ${Buffer.concat(parts)}`);
      });
    });
    const request = { ...GET, method: 'POST', path: 'ssh/sign/a', body: '{"ä":1}' } as const;
    const answer = await client(address).request({ ...request, headers: { 'x-vault-token': 't' } });
    expect(answer).toMatchObject({ status: 418, body: 'POST /v1/ssh/sign/a {"ä":1}', address });
    expect(answer.headers['x-seen']).toBe('t');
  });

  test('many of them, one after the other, need one connection', async () => {
    const served = await serve(ok);
    const http = client(served.address);
    for (let i = 0; i < 20; i += 1) await http.request(GET);
    expect(served.requests).toHaveLength(20);
    expect(served.connections).toBe(1);
  });

  test('on a kept connection that the server has closed meanwhile is sent on a new one', async () => {
    let open: Socket | undefined;
    const served = await serve((incoming, response) => {
      open = incoming.socket;
      response.end('{}');
    });
    const http = client(served.address);
    await http.request(GET);
    const closed = new Promise((resolve) => open?.once('close', resolve));
    open?.end();
    await closed;
    expect((await http.request(GET)).status).toBe(200);
    expect(served.connections).toBe(2);
  });
});

describe('a connection that was idle for long', () => {
  let ahead = 0;
  const clock = {
    now: () => Date.now() + ahead,
    monotonicNs: () => process.hrtime.bigint(),
  };
  /** A client whose clock on the wall goes on while the other stands still, as in a sleep. */
  const sleeper = (...addresses: string[]) => {
    const http = createHttpClient(addresses, NO_TLS, clock);
    onTestFinished(() => http.close());
    return http;
  };

  /** Answers on each connection so many times, and then is silent on it. */
  const forgetful = (answers: number) => {
    const counts = new WeakMap<Socket, number>();
    return serve((incoming, response) => {
      const count = (counts.get(incoming.socket) ?? 0) + 1;
      counts.set(incoming.socket, count);
      if (count <= answers) response.end('{}');
    });
  };

  test('is given up when it is silent: what may be repeated is, on a new one; else the caller is told', async () => {
    const served = await forgetful(1);
    const http = sleeper(served.address);
    await http.request(GET);
    ahead += IDLE_TRUSTED_MS;
    expect((await http.request({ ...GET, repeatable: true })).status).toBe(200);
    expect(served.connections).toBe(2);
    ahead += IDLE_TRUSTED_MS;
    await expect(http.request(GET)).rejects.toMatchObject({
      code: 'bao_disconnected',
      message: expect.stringMatching(/broke off: no answer on a connection that was idle for 30 s$/),
    });
    expect((await http.request(GET)).status).toBe(200);
    expect(served.connections).toBe(3);
  });

  test('takes those with it that have waited as long', async () => {
    const [first, second] = [await forgetful(1), await forgetful(1)];
    const http = sleeper(first.address, second.address);
    http.keepReady();
    await expect.poll(() => [first.requests.length, second.requests.length]).toEqual([1, 1]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    ahead += IDLE_TRUSTED_MS;
    await expect(http.request(GET)).rejects.toMatchObject({ code: 'bao_disconnected' });
    expect((await http.request(GET)).address).toBe(second.address);
    expect(second.connections).toBe(2);
    // The first's is made anew, to be ready.
    await expect.poll(() => first.connections).toBe(2);
  });

  test('is waited for longer where the server is known to be slow', async () => {
    let ms = 0;
    const served = await serve((_incoming, response) => void setTimeout(() => response.end('{}'), ms));
    const http = sleeper(served.address);
    await http.request(GET);
    ms = 600;
    ahead += IDLE_TRUSTED_MS;
    expect((await http.request({ ...GET, repeatable: true })).status).toBe(200);
    expect(served.connections).toBe(2);
    ahead += IDLE_TRUSTED_MS;
    expect((await http.request(GET)).status).toBe(200);
    expect(served.connections).toBe(2);
  });
});

describe('several addresses', () => {
  test('the first refuses connections: the second answers, and is asked first from then on', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    const served = await serve(ok);
    const http = client(dead, served.address);
    expect((await http.request(GET)).address).toBe(served.address);
    expect((await http.request(GET)).address).toBe(served.address);
    expect(served.requests).toHaveLength(2);
  });

  test('the first is a black hole: the second answers within the deadline', async () => {
    const served = await serve(ok);
    const http = client(await full(), served.address);
    expect((await http.request({ ...GET, deadlineMs: 3_000 })).address).toBe(served.address);
  });

  test('one that got the request is not doubled by another, but is asked last the next time', async () => {
    const drops = await serve((incoming) => void incoming.socket.destroy());
    const served = await serve(ok);
    const http = client(drops.address, served.address);
    await expect(http.request(GET)).rejects.toMatchObject({ code: 'bao_disconnected' });
    expect(served.requests).toHaveLength(0);
    expect((await http.request(GET)).address).toBe(served.address);
  });

  test('one that answers 503 is asked last the next time', async () => {
    const sealed = await serve((_incoming, response) => void response.writeHead(503).end('{}'));
    const served = await serve(ok);
    const http = client(sealed.address, served.address);
    expect((await http.request(GET)).status).toBe(503);
    expect((await http.request(GET)).status).toBe(200);
    expect((await http.request(GET)).status).toBe(200);
    expect(sealed.requests).toHaveLength(1);
  });

  test('all dead: the last one is named', async () => {
    const dead = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`] as const;
    await expect(client(...dead).request(GET)).rejects.toMatchObject({
      code: 'bao_unreachable',
      message: `can't reach OpenBao at ${dead[1]}: ECONNREFUSED`,
    });
  });
});

describe('a failure is one of four', () => {
  test('no connection within a second', async () => {
    await expect(client(await full()).request(GET)).rejects.toMatchObject({
      code: 'bao_unreachable',
      message: expect.stringContaining('no connection within 1000 ms'),
    });
  });

  test('no connection within a deadline that is shorter still', async () => {
    await expect(client(await full()).request({ ...GET, deadlineMs: 100 })).rejects.toMatchObject({
      code: 'bao_timeout',
      message: expect.stringContaining('within 100 ms'),
    });
  });

  test.each([
    ['silence', ''],
    [
      'a switch of protocols',
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
    ],
    ['half a status line', 'HTTP/1.1 2'],
    ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a"'],
    ['a chunk that never ends', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a'],
  ])('%s past the deadline', async (_name, text) => {
    const address = await bytes(text, false);
    await expect(client(address).request({ ...GET, deadlineMs: 200 })).rejects.toMatchObject({
      code: 'bao_timeout',
      message: `OpenBao at ${address} did not answer within 200 ms`,
    });
  });

  test('a drip that keeps the connection busy does not outlive the deadline', async () => {
    const address = await listen(
      createServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        const drip = setInterval(() => socket.write(' '), 20);
        socket.once('close', () => clearInterval(drip));
      }),
    );
    await expect(client(address).request({ ...GET, deadlineMs: 200 })).rejects.toMatchObject({
      code: 'bao_timeout',
    });
  });

  test.each([
    ['nothing', ''],
    ['half a body', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"a"'],
    ['half a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['too many headers', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(64 * 1024)}\r\n\r\n`],
  ])('%s, and the end', async (_name, text) => {
    await expect(client(await bytes(text)).request(GET)).rejects.toMatchObject({ code: 'bao_disconnected' });
  });

  test.each([
    ['with its length', `HTTP/1.1 200 OK\r\nContent-Length: ${MAX_ANSWER_BYTES + 1}\r\n\r\n`],
    ['without a length', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('an answer of a byte too many, %s', async (_name, head) => {
    const address = await bytes(Buffer.concat([Buffer.from(head), Buffer.alloc(MAX_ANSWER_BYTES + 1)]));
    await expect(client(address).request(GET)).rejects.toMatchObject({
      code: 'bao_bad_answer',
      message: expect.stringContaining(`more than ${MAX_ANSWER_BYTES} bytes`),
    });
  });

  test('an answer of the last byte that may be is taken', async () => {
    const head = `HTTP/1.1 200 OK\r\nContent-Length: ${MAX_ANSWER_BYTES}\r\n\r\n`;
    const address = await bytes(Buffer.concat([Buffer.from(head), Buffer.alloc(MAX_ANSWER_BYTES, 0x20)]));
    expect((await client(address).request(GET)).body).toHaveLength(MAX_ANSWER_BYTES);
  });

  test('a redirect is an answer and is not followed', async () => {
    const served = await serve((_incoming, response) =>
      response.writeHead(307, { Location: '/v1/elsewhere' }).end(),
    );
    expect((await client(served.address).request(GET)).status).toBe(307);
    expect(served.requests).toHaveLength(1);
  });
});

test('PEM texts that are none are an error of the configuration', () => {
  const pem = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  expect(() => createHttpClient(['https://a'], { ...NO_TLS, clientCert: pem, clientKey: pem })).toThrow(
    expect.objectContaining({ code: 'config_invalid', message: expect.stringContaining('client_cert') }),
  );
});
