/**
 * The control socket: HTTP and JSON beside the agent's socket, for the CLI of the same user. It is never forwarded, so it may say
 * what the agent protocol must not: status, the last refusals; and it takes orders: to read the configuration again, to open a
 * destination socket, to mint a certificate for a file, to log in and out, to stop.
 */
import { unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type LoginRequest, type LoginStep, loginRequestSchema } from '../src/control/login-steps.ts';
import { CONTROL_PATHS, REFUSED, type Refusal, type Reload, type Status } from '../src/control/messages.ts';
import { asWardenError, WardenError } from '../src/errors.ts';
import { type FileCertificate, type FileRequest, fileRequestSchema } from '../src/issuance/file-request.ts';
import type { MintRequest } from '../src/issuance/mint.ts';
import { peerCredentials, processInfo } from '../src/system/peer.ts';
import type { SocketRequest } from './destination-sockets.ts';

const REQUEST_DEADLINE_MS = 5_000;
const MAX_BODY_BYTES = 256 * 1024;

export interface ControlHandlers {
  status(): Status;
  why(host: string | undefined): readonly Refusal[];
  /** The path of a destination socket. Rejects with a WardenError where there can be none. */
  socket(request: SocketRequest): Promise<string>;
  /** Mints for a file. Rejects with a WardenError where nothing may be, or can be. */
  sign(request: FileRequest, caller: MintRequest['caller']): Promise<FileCertificate>;
  /** The next step of a login; `hungUp` is aborted when its client has gone. Rejects with what the login fails with. */
  login(request: LoginRequest, hungUp: AbortSignal): Promise<LoginStep>;
  /** Revokes the token and forgets it. Rejects where it could only be forgotten. */
  logout(): Promise<{ credential: string }>;
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

/** Sends what comes of an order, or why it was refused. */
function sendOutcome(response: ServerResponse, outcome: Promise<unknown>): void {
  outcome.then(
    (done) => send(response, 200, done),
    (thrown: unknown) => {
      const { code, message, hint } = asWardenError(thrown);
      send(response, REFUSED, { code, message, hint });
    },
  );
}

/** The body of a call, as JSON. Throws `limit_exceeded`, `malformed`. */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_BODY_BYTES) throw new WardenError('limit_exceeded', 'the request is too large');
    chunks.push(bytes);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new WardenError('malformed', 'the request is not JSON', { cause });
  }
}

async function sign(request: IncomingMessage, handlers: ControlHandlers): Promise<FileCertificate> {
  const peer = peerCredentials(request.socket);
  const asked = await bodyOf(request);
  if (!fileRequestSchema.is(asked))
    throw new WardenError('malformed', 'the request for a certificate is not of this version', {
      hint: 'stop the agent and start it again: warden agent --stop',
    });
  if (peer === undefined) throw new WardenError('no_peer', 'the caller is unknown: no peer credentials');
  const exe = processInfo(peer.pid)?.program?.path;
  return handlers.sign(asked, { uid: peer.uid, pid: peer.pid, ...(exe === undefined ? {} : { exe }) });
}

async function login(
  request: IncomingMessage,
  response: ServerResponse,
  handlers: ControlHandlers,
): Promise<LoginStep> {
  const hungUp = new AbortController();
  // It closes after the answer as well, when nobody listens to this any more.
  response.once('close', () => hungUp.abort());
  const asked = await bodyOf(request);
  if (loginRequestSchema.is(asked)) return handlers.login(asked, hungUp.signal);
  throw new WardenError('malformed', 'the request to log in is not of this version, or too long');
}

function answer(request: IncomingMessage, response: ServerResponse, handlers: ControlHandlers): void {
  const target = request.url ?? '/';
  // A target that is no URL is no call, and no reason to end.
  const url = new URL(URL.canParse(target, 'http://control') ? target : '/', 'http://control');
  const call = `${request.method ?? ''} ${url.pathname}`;
  // The body of all other calls is empty.
  if (![`POST ${CONTROL_PATHS.sign}`, `POST ${CONTROL_PATHS.login}`].includes(call)) request.resume();
  if (call === `GET ${CONTROL_PATHS.status}`) send(response, 200, handlers.status());
  else if (call === `GET ${CONTROL_PATHS.why}`)
    send(response, 200, { refusals: handlers.why(url.searchParams.get('host') ?? undefined) });
  else if (call === `POST ${CONTROL_PATHS.reload}`) send(response, 200, handlers.reload());
  else if (call === `POST ${CONTROL_PATHS.socket}`) {
    const parameter = (name: string) => url.searchParams.get(name) ?? undefined;
    const wanted = { host: parameter('host'), lane: parameter('lane'), login: parameter('login') };
    sendOutcome(
      response,
      handlers.socket(wanted).then((path) => ({ path })),
    );
  } else if (call === `POST ${CONTROL_PATHS.sign}`) {
    sendOutcome(response, sign(request, handlers));
  } else if (call === `POST ${CONTROL_PATHS.login}`) {
    sendOutcome(response, login(request, response, handlers));
  } else if (call === `POST ${CONTROL_PATHS.logout}`) {
    sendOutcome(response, handlers.logout());
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
