/**
 * One JSON request and its answer over undici, for services that warden talks to as a client like any other: a deadline over all of it,
 * a limit on the answer, no redirects, nothing repeated. What went wrong is told by whether the other side may have acted on it.
 */
import { type Dispatcher, Pool } from 'undici';
import { errnoOf } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';

const CONNECT_MS = 1_000;
const CONNECTIONS = 16;

/** `unreachable`: nothing was sent, or nothing was done. `refused`: it said no (4xx). `failed`: it may have done what it was asked. */
export type ExchangeFailure = 'unreachable' | 'refused' | 'failed';

export class ExchangeError extends Error {
  readonly failure: ExchangeFailure;
  /** Of an answer. */
  readonly status: number | undefined;

  constructor(failure: ExchangeFailure, message: string, status?: number, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
    this.status = status;
  }
}

export interface Ask {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Behind the base address, with its query; begins with a slash. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  /** Of the answer, in bytes. */
  readonly limit: number;
}

/** Whether the system or undici failed before a byte of the request was sent. */
function sentNothing(cause: unknown): boolean {
  const code = errnoOf(cause);
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/.test(code))
    return true;
  // A name with several addresses: each has failed.
  return cause instanceof AggregateError && cause.errors.length > 0 && cause.errors.every(sentNothing);
}

/** Connections to one base address, kept for as long as `close` was not called. */
export class JsonService {
  readonly #pool: Pool;
  readonly #prefix: string;

  /** `address` is a base URL without a trailing slash. */
  constructor(address: string) {
    const url = new URL(address);
    this.#prefix = url.pathname.replace(/\/+$/, '');
    this.#pool = new Pool(url.origin, { connections: CONNECTIONS, connect: { timeout: CONNECT_MS } });
  }

  /** The answer's JSON (undefined for an empty body). Throws ExchangeError alone. */
  async ask({ method, path, body, headers = {}, deadlineMs, limit }: Ask): Promise<unknown> {
    const signal = AbortSignal.timeout(deadlineMs);
    let status: number;
    let text: string;
    try {
      const answer = await this.#pool.request({
        method,
        path: `${this.#prefix}${path}`,
        headers: {
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      });
      status = answer.statusCode;
      text = await textOf(answer, limit);
    } catch (cause) {
      if (cause instanceof ExchangeError) throw cause;
      if (signal.aborted)
        throw new ExchangeError('failed', `has not answered within ${deadlineMs / 1000} s`, undefined, cause);
      const what = errnoOf(cause) || (cause instanceof Error ? sanitizeLine(cause.message) : 'it failed');
      if (sentNothing(cause))
        throw new ExchangeError('unreachable', `can't be reached: ${what}`, undefined, cause);
      throw new ExchangeError('failed', `broke off: ${what}`, undefined, cause);
    }
    // It counts requests before it acts on them.
    if (status === 429) throw new ExchangeError('unreachable', 'has a rate limit, and it is reached', status);
    if (status >= 400 && status < 500) throw new ExchangeError('refused', `answers ${status}`, status);
    if (status < 200 || status > 299) throw new ExchangeError('failed', `answers ${status}`, status);
    if (text.trim() === '') return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ExchangeError('failed', 'answers what is no JSON', status, cause);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

async function textOf({ body }: Dispatcher.ResponseData, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > limit) throw new ExchangeError('failed', `answers more than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
