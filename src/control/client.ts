/** The CLI's end of the control socket. Every answer passes its schema; nobody waits longer than the deadline. */
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { errnoOf, WardenError } from '../errors.ts';
import { type FileCertificate, type FileRequest, fileCertificateSchema } from '../issuance/file-request.ts';
import { type LoginRequest, type LoginStep, loginStepSchema, logoutSchema } from './login-steps.ts';
import {
  CONTROL_PATHS,
  REFUSED,
  type Refusal,
  type Reload,
  refusedSchema,
  reloadSchema,
  type Status,
  socketSchema,
  statusSchema,
  stopSchema,
  whySchema,
} from './messages.ts';
import type { Shape } from './shape.ts';

const DEADLINE_MS = 2_000;
/** Many may wait for their turn at OpenBao before us. */
const SIGN_DEADLINE_MS = 30_000;
/** A person may be in a browser, which the daemon waits for. */
const LOGIN_DEADLINE_MS = 310_000;
const LOGOUT_DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

interface Order {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  /** Milliseconds for the whole exchange; 2 s by default. */
  readonly deadlineMs?: number;
}

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One call. HTTP/1.0 by hand, since node:http is a sixth of a small command's time: one request, and the answer ends with the
 * connection, without chunks (RFC 1945, sections 5 and 6).
 */
function ask(socketPath: string, order: Order): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { method, path, body = '', deadlineMs = DEADLINE_MS } = order;
    const head = `${method} ${path} HTTP/1.0\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
    const socket = connect(socketPath, () => socket.write(head + body));
    const chunks: Buffer[] = [];
    let size = 0;
    socket.on('data', (chunk) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) socket.destroy(new Error('the answer is too large'));
      else chunks.push(chunk);
    });
    // For the whole exchange: a timeout of the socket would begin anew with every byte.
    const deadline = setTimeout(() => socket.destroy(new Error('no answer in time')), deadlineMs);
    socket.once('close', () => clearTimeout(deadline));
    socket.once('error', reject);
    socket.once('end', () => {
      const answer = parseAnswer(Buffer.concat(chunks));
      if (answer === undefined) reject(new Error('the answer is not whole'));
      else resolve(answer);
    });
  });
}

/** Undefined for what is no HTTP, or breaks off. */
function parseAnswer(bytes: Buffer): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, end < 0 ? 0 : end);
  const [, status] = /^HTTP\/1\.\d (\d{3}) /.exec(head) ?? [];
  const [, length] = /\r\ncontent-length: *(\d+)$/im.exec(head) ?? [];
  const body = bytes.subarray(end + 4);
  if (status === undefined || (length !== undefined && body.length < Number(length))) return undefined;
  return { status: Number(status), body: body.toString('utf8') };
}

/** The JSON of an answer, or undefined where it is none. */
function jsonOf({ body }: RawAnswer): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Control sockets to try, one after the other; a list, or found only when the one before is dead. */
export type ControlSockets = Iterable<string> | AsyncIterable<string>;

/** The control socket beside an agent's socket. */
export function controlSocket(agentSocket: string): string {
  return join(dirname(agentSocket), 'control.sock');
}

function notRunning(sockets: readonly string[]): WardenError {
  const where = sockets.length === 0 ? '' : ` (looked for ${sockets.join(', ')})`;
  return new WardenError('not_running', `no warden agent is running with this configuration${where}`, {
    hint: 'start it: eval "$(warden agent --background)"',
  });
}

/** The first living daemon's answer; where there is none, which sockets are dead. Throws as `call`. */
async function callFirst<T>(
  sockets: ControlSockets,
  order: Order,
  schema: Shape<T>,
): Promise<{ readonly answer: T } | { readonly dead: readonly string[] }> {
  const dead: string[] = [];
  for await (const socket of sockets) {
    let answer: RawAnswer;
    try {
      answer = await ask(socket, order);
    } catch (cause) {
      if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(errnoOf(cause))) {
        dead.push(socket);
        continue;
      }
      throw new WardenError(
        'not_running',
        `the warden agent at ${socket} does not answer: ${errnoOf(cause) || (cause instanceof Error ? cause.message : String(cause))}`,
        {
          hint: 'look at its log, or stop it and start it again',
          cause,
        },
      );
    }
    const body = jsonOf(answer);
    if (answer.status === REFUSED && refusedSchema.is(body))
      throw new WardenError(body.code, body.message, { hint: body.hint });
    if (answer.status === 200 && schema.is(body)) return { answer: body };
    throw new WardenError('not_running', `what answers at ${socket} is no warden agent of this version`, {
      hint: 'stop it and start it again: warden agent --stop',
    });
  }
  return { dead };
}

async function call<T>(sockets: ControlSockets, order: Order, schema: Shape<T>): Promise<T> {
  const outcome = await callFirst(sockets, order, schema);
  if ('dead' in outcome) throw notRunning(outcome.dead);
  return outcome.answer;
}

/** The daemon's status. Throws `not_running`. */
export function fetchStatus(sockets: ControlSockets): Promise<Status> {
  return call(sockets, { method: 'GET', path: CONTROL_PATHS.status }, statusSchema);
}

/** The last refusals, newest first. Throws `not_running`. */
export async function fetchRefusals(
  sockets: ControlSockets,
  host: string | undefined,
): Promise<readonly Refusal[]> {
  const query = host === undefined ? '' : `?host=${encodeURIComponent(host)}`;
  return (await call(sockets, { method: 'GET', path: `${CONTROL_PATHS.why}${query}` }, whySchema)).refusals;
}

/** The path of a destination socket, for a host or a lane. Throws `not_running`, and what the daemon refuses with. */
export async function requestSocket(
  sockets: ControlSockets,
  wanted: Readonly<Record<'host' | 'lane' | 'login', string | undefined>>,
): Promise<string> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) query.set(name, value);
  return (await call(sockets, { method: 'POST', path: `${CONTROL_PATHS.socket}?${query}` }, socketSchema))
    .path;
}

/**
 * Has the daemon mint a certificate for a file; undefined where no daemon is. Throws `not_running` where one does not answer, and what
 * it refuses with.
 */
export async function requestCertificate(
  sockets: ControlSockets,
  request: FileRequest,
): Promise<FileCertificate | undefined> {
  const body = JSON.stringify(request);
  const order = { method: 'POST', path: CONTROL_PATHS.sign, body, deadlineMs: SIGN_DEADLINE_MS } as const;
  const outcome = await callFirst(sockets, order, fileCertificateSchema);
  return 'dead' in outcome ? undefined : outcome.answer;
}

/** The next step of a login: see LoginRequest. Throws `not_running`, and what the login fails with. */
export function requestLogin(sockets: ControlSockets, request: LoginRequest): Promise<LoginStep> {
  const body = JSON.stringify(request);
  const order = { method: 'POST', path: CONTROL_PATHS.login, body, deadlineMs: LOGIN_DEADLINE_MS } as const;
  return call(sockets, order, loginStepSchema);
}

/** Has the daemon revoke and forget its token; returns where it came from. Throws `not_running`, and why it could not be revoked. */
export function requestLogout(sockets: ControlSockets): Promise<{ readonly credential: string }> {
  const order = { method: 'POST', path: CONTROL_PATHS.logout, deadlineMs: LOGOUT_DEADLINE_MS } as const;
  return call(sockets, order, logoutSchema);
}

/** Has the daemon read its configuration again. Throws `not_running`. */
export function requestReload(sockets: ControlSockets): Promise<Reload> {
  return call(sockets, { method: 'POST', path: CONTROL_PATHS.reload }, reloadSchema);
}

/** Tells the daemon to stop; it answers before it does. Throws `not_running`. */
export async function requestStop(sockets: ControlSockets): Promise<void> {
  await call(sockets, { method: 'POST', path: CONTROL_PATHS.stop }, stopSchema);
}
