/**
 * HTTP to OpenBao, and nothing else: base addresses in order, one pool of kept-alive connections, a deadline for connecting and
 * one for the whole exchange, a limit on the answer. It stands on node:http and node:https: on the hot path a fuller client
 * costs tens of megabytes and more CPU than the rest of a login (`bench/RESULTS.md`).
 * Left out: redirects, proxies, compression. Another address is tried only while nothing has been sent.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import type { TlsConfig } from '../config/config.ts';
import { errnoOf, WardenError } from '../errors.ts';

export const CONNECT_DEADLINE_MS = 1_000;
/** OpenBao's answers on these paths are a few kilobytes. */
export const MAX_ANSWER_BYTES = 1024 * 1024;

export interface BaoRequest {
  readonly method: 'GET' | 'POST';
  /** Path after `/v1/`, already encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds for the whole exchange. */
  readonly deadlineMs: number;
}

export interface BaoResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** The base address that answered. */
  readonly address: string;
}

export interface HttpClient {
  /** Throws `bao_unreachable` (nothing came back) or `bao_timeout`; any HTTP status is an answer. */
  request(request: BaoRequest): Promise<BaoResponse>;
  close(): void;
}

/** Nothing was sent yet: another address may be tried without asking the CA twice. */
class NotSent extends Error {}

function unreachable(address: string, cause: unknown): WardenError {
  const reason = errnoOf(cause) || (cause instanceof Error ? cause.message : String(cause));
  return new WardenError('bao_unreachable', `can't reach OpenBao at ${address}: ${reason}`, {
    hint: 'is it running, and is openbao.addr (or BAO_ADDR) right? TLS errors: openbao.ca_cert',
    cause,
  });
}

function timeout(address: string, ms: number): WardenError {
  return new WardenError('bao_timeout', `OpenBao at ${address} did not answer within ${ms} ms`, {
    hint: 'look at its load and at the network between; a lane may allow more: ssh.deadline',
  });
}

/** A client for the given base addresses (`https://host:8200`, no trailing slash). */
export function createHttpClient(addresses: readonly string[], tls: TlsConfig): HttpClient {
  const plainAgent = new http.Agent({
    keepAlive: true,
    noDelay: true,
    maxFreeSockets: 8,
    scheduling: 'lifo',
  });
  const tlsAgent = new https.Agent({
    keepAlive: true,
    noDelay: true,
    maxFreeSockets: 8,
    scheduling: 'lifo',
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !tls.skipVerify,
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.clientCert === undefined ? {} : { cert: tls.clientCert }),
    ...(tls.clientKey === undefined ? {} : { key: tls.clientKey }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  });
  /** Index of the address that answered last: the one to ask first. */
  let preferred = 0;

  function exchange(address: string, request: BaoRequest, deadlineMs: number): Promise<BaoResponse> {
    return new Promise((resolve, reject) => {
      const secure = address.startsWith('https:');
      const body = request.body ?? '';
      const headers: Record<string, string | number> = { ...request.headers };
      if (request.body !== undefined) {
        headers['content-type'] = 'application/json';
        headers['content-length'] = Buffer.byteLength(body);
      }
      const options = { method: request.method, headers, agent: secure ? tlsAgent : plainAgent };
      const outgoing = (secure ? https : http).request(`${address}/v1/${request.path}`, options);
      let connected = false;
      const fail = (error: Error) => {
        clearTimeout(connecting);
        clearTimeout(whole);
        outgoing.destroy();
        reject(error);
      };
      const connecting = setTimeout(
        () => fail(new NotSent('no connection', { cause: timeout(address, CONNECT_DEADLINE_MS) })),
        Math.min(CONNECT_DEADLINE_MS, deadlineMs),
      );
      const whole = setTimeout(() => fail(timeout(address, request.deadlineMs)), deadlineMs);
      outgoing.once('socket', (socket) => {
        const ready = () => {
          connected = true;
          clearTimeout(connecting);
        };
        if (outgoing.reusedSocket || !socket.connecting) ready();
        else socket.once(secure ? 'secureConnect' : 'connect', ready);
      });
      outgoing.once('error', (cause) => {
        const error = unreachable(address, cause);
        fail(connected ? error : new NotSent('no connection', { cause: error }));
      });
      outgoing.once('response', (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) {
            fail(
              new WardenError(
                'bao_bad_answer',
                `OpenBao at ${address} answered with more than ${MAX_ANSWER_BYTES} bytes`,
                {
                  hint: 'is openbao.addr really an OpenBao?',
                },
              ),
            );
          } else chunks.push(chunk);
        });
        incoming.once('aborted', () => fail(unreachable(address, new Error('the answer broke off'))));
        incoming.once('error', (cause) => fail(unreachable(address, cause)));
        incoming.once('end', () => {
          clearTimeout(connecting);
          clearTimeout(whole);
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text, address });
        });
      });
      outgoing.end(request.body);
    });
  }

  return {
    async request(request) {
      const started = performance.now();
      let last: unknown;
      for (let i = 0; i < addresses.length; i += 1) {
        const index = (preferred + i) % addresses.length;
        const address = addresses[index] ?? '';
        const left = request.deadlineMs - (performance.now() - started);
        if (left <= 0) throw timeout(address, request.deadlineMs);
        try {
          const response = await exchange(address, request, left);
          preferred = index;
          return response;
        } catch (error) {
          if (!(error instanceof NotSent)) {
            // The next request starts with another address, if there is one.
            preferred = (index + 1) % addresses.length;
            throw error;
          }
          last = error.cause;
        }
      }
      throw last;
    },
    close() {
      plainAgent.destroy();
      tlsAgent.destroy();
    },
  };
}
