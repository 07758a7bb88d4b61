/**
 * The control socket: HTTP and JSON beside the agent's socket, for the CLI of the same user. It is never forwarded, so it may say
 * what the agent protocol must not: status, the last refusals; and it takes orders: to read the configuration again, to open a
 * destination socket, to stop.
 */
import { unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { CONTROL_PATHS, REFUSED, type Refusal, type Reload, type Status } from '../src/control/messages.ts';
import { asWardenError } from '../src/errors.ts';
import { peerCredentials } from '../src/system/peer.ts';
import type { SocketRequest } from './destination-sockets.ts';

const REQUEST_DEADLINE_MS = 5_000;

export interface ControlHandlers {
  status(): Status;
  why(host: string | undefined): readonly Refusal[];
  /** The path of a destination socket. Rejects with a WardenError where there can be none. */
  socket(request: SocketRequest): Promise<string>;
  reload(): Reload;
  /** Called after the answer has been sent. */
  stop(): void;
}

export interface ControlServer {
  close(): Promise<void>;
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** Sends the path that comes of an order, or why it was refused. */
function sendOutcome(response: ServerResponse, outcome: Promise<string>): void {
  outcome.then(
    (path) => send(response, 200, { path }),
    (thrown: unknown) => {
      const { code, message, hint } = asWardenError(thrown);
      send(response, REFUSED, { code, message, hint });
    },
  );
}

function answer(request: IncomingMessage, response: ServerResponse, handlers: ControlHandlers): void {
  const url = new URL(request.url ?? '/', 'http://control');
  const call = `${request.method ?? ''} ${url.pathname}`;
  if (call === `GET ${CONTROL_PATHS.status}`) send(response, 200, handlers.status());
  else if (call === `GET ${CONTROL_PATHS.why}`)
    send(response, 200, { refusals: handlers.why(url.searchParams.get('host') ?? undefined) });
  else if (call === `POST ${CONTROL_PATHS.reload}`) send(response, 200, handlers.reload());
  else if (call === `POST ${CONTROL_PATHS.socket}`) {
    const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
    const wanted = { host: parameter('host'), lane: parameter('lane'), login: parameter('login') };
    sendOutcome(response, handlers.socket(wanted));
  } else if (call === `POST ${CONTROL_PATHS.stop}`) {
    response.once('finish', () => handlers.stop());
    send(response, 200, {});
  } else send(response, 404, { error: 'no such call' });
}

/** Listens on `path`, whose directory is the daemon's own: a socket that is left there is a dead predecessor's. */
export async function openControlServer(path: string, handlers: ControlHandlers): Promise<ControlServer> {
  const server = createServer(
    { requestTimeout: REQUEST_DEADLINE_MS, headersTimeout: REQUEST_DEADLINE_MS },
    (request, response) => {
      // The body of every call is empty.
      request.resume();
      answer(request, response, handlers);
    },
  );
  server.on('connection', (socket) => {
    const peer = peerCredentials(socket);
    if (peer !== undefined && peer.uid !== process.getuid?.() && peer.uid !== 0) socket.destroy();
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  try {
    unlinkSync(path);
  } catch {
    // Nothing was left there.
  }
  await new Promise<void>((resolve, reject) => {
    // For good, as the listener's.
    server.on('error', reject);
    const before = process.umask(0o177);
    server.listen(path, () => resolve());
    process.umask(before);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
