/**
 * A stand-in for the State Hub: messages and progress notes in memory, answered as the real one is known to (notes of ops-warden, section
 * 6). NOT FOR PRODUCTION. Loopback only. Left out: archive, tasks, threads as a view, what it says in an error beyond the status.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import * as z from 'zod';

const MAX_BODY_BYTES = 1024 * 1024;

export interface LabMessage {
  readonly id: string;
  readonly from_agent: string;
  readonly to_agent: string;
  readonly subject: string;
  readonly body: string;
  readonly thread_id: string;
  readonly created_at: string;
  read_at: string | null;
}

export interface LabRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface LabHubOptions {
  /** 0 (the default) takes a free one. */
  readonly port?: number;
  /** Awaited before a request is acted on; `break` closes its connection instead, a number is its status. */
  readonly before?: (request: LabRequest) => Promise<'break' | number | undefined>;
  /** Awaited after it was acted on, before it is answered. */
  readonly after?: (request: LabRequest) => Promise<'break' | undefined>;
}

export interface LabHub {
  readonly url: string;
  /** Every message, the oldest first. */
  readonly messages: readonly LabMessage[];
  /** Summaries of the progress notes. */
  readonly notes: readonly string[];
  /** Puts a message in, as an agent would. */
  put(message: Partial<Pick<LabMessage, 'id' | 'thread_id' | 'to_agent'>> & NewMessage): LabMessage;
  stop(): Promise<void>;
}

interface NewMessage {
  readonly from_agent: string;
  readonly subject: string;
  readonly body: string;
}

const newMessage = z.object({
  from_agent: z.string().min(1),
  to_agent: z.string().min(1),
  subject: z.string().max(500),
  body: z.string(),
  thread_id: z.string().optional(),
});

const newNote = z.looseObject({ summary: z.string(), event_type: z.string(), author: z.string() });

interface Answer {
  readonly status: number;
  readonly json: unknown;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const part = Buffer.from(chunk);
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new Error('too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** Starts the stand-in. */
export async function startLabHub(options: LabHubOptions = {}): Promise<LabHub> {
  const messages: LabMessage[] = [];
  const notes: string[] = [];

  const put: LabHub['put'] = ({ from_agent, subject, body, ...given }) => {
    const id = given.id ?? randomUUID();
    const message: LabMessage = {
      id,
      from_agent,
      to_agent: given.to_agent ?? 'ops-warden',
      subject,
      body,
      thread_id: given.thread_id ?? id,
      created_at: new Date().toISOString(),
      read_at: null,
    };
    messages.push(message);
    return message;
  };

  function list(query: URLSearchParams): Answer {
    const to = query.get('to_agent');
    const from = query.get('from_agent');
    const found = messages.filter(
      (message) =>
        (to === null || message.to_agent === to || message.to_agent === 'broadcast') &&
        (from === null || message.from_agent === from) &&
        (query.get('unread_only') !== 'true' || message.read_at === null),
    );
    return { status: 200, json: found };
  }

  function post(body: string): Answer {
    const { thread_id, ...given } = newMessage.parse(JSON.parse(body));
    if (thread_id === undefined) return { status: 201, json: put(given) };
    if (messages.every((message) => message.thread_id !== thread_id))
      return { status: 404, json: { detail: 'Thread not found' } };
    return { status: 201, json: put({ ...given, thread_id }) };
  }

  function read(id: string): Answer {
    const message = messages.find((each) => each.id === id);
    if (message === undefined) return { status: 404, json: { detail: 'Message not found' } };
    message.read_at ??= new Date().toISOString();
    return { status: 200, json: message };
  }

  function act({ method, path, body }: LabRequest): Answer {
    const { pathname, searchParams } = new URL(path, 'http://lab');
    const [, id] = /^\/messages\/([^/]+)\/read$/.exec(pathname) ?? [];
    try {
      if (method === 'GET' && pathname === '/state/health') return { status: 200, json: { status: 'ok' } };
      if (method === 'GET' && pathname === '/messages/') return list(searchParams);
      if (method === 'POST' && pathname === '/messages/') return post(body);
      if (method === 'PATCH' && id !== undefined) return read(decodeURIComponent(id));
      if (method === 'POST' && pathname === '/progress/') {
        notes.push(newNote.parse(JSON.parse(body)).summary);
        return { status: 201, json: { id: randomUUID() } };
      }
      return { status: 404, json: { detail: 'Not Found' } };
    } catch {
      return { status: 422, json: { detail: 'Unprocessable' } };
    }
  }

  const server = createServer((message, response) => {
    const serve = async () => {
      const request = {
        method: message.method ?? '',
        path: message.url ?? '/',
        body: await readBody(message),
      };
      const before = await options.before?.(request);
      if (before === 'break') return void response.destroy();
      const answer = before === undefined ? act(request) : { status: before, json: { detail: 'fault' } };
      if ((await options.after?.(request)) === 'break') return void response.destroy();
      response.writeHead(answer.status, {
        'Content-Type': 'application/json',
        'X-Warden-Lab': 'not for production',
      });
      response.end(JSON.stringify(answer.json));
    };
    serve().catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    messages,
    notes,
    put,
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
