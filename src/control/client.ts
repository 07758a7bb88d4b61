/** The CLI's end of the control socket. Every answer passes its schema; nobody waits longer than the deadline. */
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import type * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
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

const DEADLINE_MS = 2_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

function ask(socketPath: string, method: string, path: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path }, (incoming) => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) outgoing.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      incoming.once('end', () =>
        resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      incoming.on('error', reject);
    });
    // For the whole exchange: a timeout of the socket would begin anew with every byte.
    const deadline = setTimeout(() => outgoing.destroy(new Error('no answer in time')), DEADLINE_MS);
    outgoing.once('close', () => clearTimeout(deadline));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The JSON of an answer, or undefined where it is none. */
function jsonOf({ body }: RawAnswer): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The control sockets beside agents' sockets. */
export function controlSockets(agentSockets: readonly string[]): readonly string[] {
  return [...new Set(agentSockets.map((socket) => join(dirname(socket), 'control.sock')))];
}

function notRunning(sockets: readonly string[]): WardenError {
  const where = sockets.length === 0 ? '' : ` (looked for ${sockets.join(', ')})`;
  return new WardenError('not_running', `no warden agent is running with this configuration${where}`, {
    hint: 'start it: eval "$(warden agent --background)"',
  });
}

async function call<T>(
  sockets: readonly string[],
  method: string,
  path: string,
  schema: z.ZodType<T>,
): Promise<T> {
  for (const socket of sockets) {
    let answer: RawAnswer;
    try {
      answer = await ask(socket, method, path);
    } catch (cause) {
      if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(errnoOf(cause))) continue;
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
    const refused = answer.status === REFUSED ? refusedSchema.safeParse(body).data : undefined;
    if (refused !== undefined) throw new WardenError(refused.code, refused.message, { hint: refused.hint });
    const parsed = schema.safeParse(answer.status === 200 ? body : undefined);
    if (parsed.success) return parsed.data;
    throw new WardenError('not_running', `what answers at ${socket} is no warden agent of this version`, {
      hint: 'stop it and start it again: warden agent --stop',
      cause: parsed.error,
    });
  }
  throw notRunning(sockets);
}

/** The daemon's status. Throws `not_running`. */
export function fetchStatus(sockets: readonly string[]): Promise<Status> {
  return call(sockets, 'GET', CONTROL_PATHS.status, statusSchema);
}

/** The last refusals, newest first. Throws `not_running`. */
export async function fetchRefusals(
  sockets: readonly string[],
  host: string | undefined,
): Promise<readonly Refusal[]> {
  const query = host === undefined ? '' : `?host=${encodeURIComponent(host)}`;
  return (await call(sockets, 'GET', `${CONTROL_PATHS.why}${query}`, whySchema)).refusals;
}

/** The path of a destination socket, for a host or a lane. Throws `not_running`, and what the daemon refuses with. */
export async function requestSocket(
  sockets: readonly string[],
  wanted: Readonly<Record<'host' | 'lane' | 'login', string | undefined>>,
): Promise<string> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value !== undefined) query.set(name, value);
  return (await call(sockets, 'POST', `${CONTROL_PATHS.socket}?${query}`, socketSchema)).path;
}

/** Has the daemon read its configuration again. Throws `not_running`. */
export function requestReload(sockets: readonly string[]): Promise<Reload> {
  return call(sockets, 'POST', CONTROL_PATHS.reload, reloadSchema);
}

/** Tells the daemon to stop; it answers before it does. Throws `not_running`. */
export async function requestStop(sockets: readonly string[]): Promise<void> {
  await call(sockets, 'POST', CONTROL_PATHS.stop, stopSchema);
}
