/**
 * HTTP to OpenBao, and nothing else: base addresses in order, one pool of kept-alive connections, a deadline for connecting and
 * one for the whole exchange, a limit on the answer. It stands on node:http and node:https: on the hot path a fuller client
 * costs tens of megabytes and more CPU than the rest of a login (`bench/RESULTS.md`).
 * Left out: redirects, proxies, compression. Another address is tried only while nothing has been sent.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsConfig } from '../config/config.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';

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
  /**
   * Any HTTP status is an answer. Throws `bao_unreachable` (no address could be connected to), `bao_disconnected`, `bao_timeout`,
   * `bao_bad_answer` (too large).
   */
  request(request: BaoRequest): Promise<BaoResponse>;
  close(): void;
}

function reasonOf(cause: Error): string {
  return errnoOf(cause) || cause.message;
}

function unreachable(address: string, cause: Error): WardenError {
  // OpenSSL's names for a certificate that is not trusted, and Node's for one of another host (nodejs.org, "TLS: X509 certificate error codes").
  const untrusted = /CERT|VERIFY/.test(errnoOf(cause));
  return new WardenError('bao_unreachable', `can't reach OpenBao at ${address}: ${reasonOf(cause)}`, {
    hint: untrusted
      ? "its TLS certificate is not trusted: name the CA's file in openbao.ca_cert, or the certificate's name in openbao.tls_server_name"
      : 'is it running, and is openbao.addr (or BAO_ADDR) right, http or https?',
    cause,
  });
}

function disconnected(address: string, cause: Error): WardenError {
  return new WardenError(
    'bao_disconnected',
    `the connection to OpenBao at ${address} broke off: ${reasonOf(cause)}`,
    { hint: "look at OpenBao's log, and at what stands between (a proxy, a load balancer)", cause },
  );
}

function timeout(address: string, ms: number): WardenError {
  return new WardenError('bao_timeout', `OpenBao at ${address} did not answer within ${Math.round(ms)} ms`, {
    hint: 'look at its load and at the network between; a lane may allow more: ssh.deadline',
  });
}

function tooLarge(address: string): WardenError {
  return new WardenError(
    'bao_bad_answer',
    `OpenBao at ${address} answered with more than ${MAX_ANSWER_BYTES} bytes`,
    { hint: 'is openbao.addr really an OpenBao?' },
  );
}

function secureContext(tls: TlsConfig): SecureContext {
  try {
    return createSecureContext({
      minVersion: 'TLSv1.2',
      ca: tls.ca,
      cert: tls.clientCert,
      key: tls.clientKey,
    });
  } catch (cause) {
    throw new WardenError('config_invalid', "openbao's ca_cert, client_cert or client_key can't be used", {
      hint: 'each must be PEM, the key without a passphrase, certificate and key a pair',
      cause,
    });
  }
}

/** A client for the given base addresses (`https://host:8200`, no trailing slash). Throws `config_invalid` for unusable PEM texts. */
export function createHttpClient(addresses: readonly string[], tls: TlsConfig): HttpClient {
  const pool = { keepAlive: true, maxFreeSockets: 8 } as const;
  const plainAgent = new http.Agent(pool);
  const tlsAgent = new https.Agent({
    ...pool,
    secureContext: secureContext(tls),
    rejectUnauthorized: !tls.skipVerify,
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
  });
  /** Index of the address to ask first: the one that served last. */
  let preferred = 0;

  function exchange(address: string, request: BaoRequest, leftMs: number): Promise<BaoResponse> {
    return new Promise((resolve, reject) => {
      const secure = address.startsWith('https:');
      const headers: Record<string, string | number> = { ...request.headers };
      if (request.body !== undefined) {
        headers['content-type'] = 'application/json';
        headers['content-length'] = Buffer.byteLength(request.body);
      }
      const options = { method: request.method, headers, agent: secure ? tlsAgent : plainAgent };
      const outgoing = (secure ? https : http).request(`${address}/v1/${request.path}`, options);
      let connected = false;
      const settle = () => {
        clearTimeout(connecting);
        clearTimeout(whole);
      };
      const fail = (error: WardenError) => {
        settle();
        outgoing.destroy();
        reject(error);
      };
      const broke = (cause: Error) =>
        fail(connected ? disconnected(address, cause) : unreachable(address, cause));
      const connecting = setTimeout(
        () => broke(new Error(`no connection within ${CONNECT_DEADLINE_MS} ms`)),
        CONNECT_DEADLINE_MS,
      );
      const whole = setTimeout(() => fail(timeout(address, request.deadlineMs)), leftMs);
      outgoing.once('socket', (socket) => {
        const ready = () => {
          connected = true;
          clearTimeout(connecting);
        };
        if (outgoing.reusedSocket) ready();
        else socket.once(secure ? 'secureConnect' : 'connect', ready);
      });
      outgoing.on('error', broke);
      outgoing.once('response', (incoming) => {
        const chunks: Buffer[] = [];
        let size = 0;
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_ANSWER_BYTES) fail(tooLarge(address));
          else chunks.push(chunk);
        });
        incoming.on('error', broke);
        incoming.once('end', () => {
          settle();
          const body = Buffer.concat(chunks).toString('utf8');
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body, address });
        });
      });
      outgoing.end(request.body);
    });
  }

  return {
    async request(request) {
      const started = performance.now();
      const order = [...addresses.keys()].map((step) => (preferred + step) % addresses.length);
      let failure: WardenError | undefined;
      for (const index of order) {
        const address = addresses[index] ?? '';
        const left = request.deadlineMs - (performance.now() - started);
        if (left <= 0) break;
        const another = (index + 1) % addresses.length;
        try {
          const response = await exchange(address, request, left);
          // A sealed node or one without a leader: the next request goes to another.
          preferred = response.status >= 500 ? another : index;
          return response;
        } catch (thrown) {
          failure = asWardenError(thrown);
          preferred = another;
          if (failure.code !== 'bao_unreachable') throw failure;
        }
      }
      throw failure ?? timeout(addresses[0] ?? '', request.deadlineMs);
    },
    close() {
      plainAgent.destroy();
      tlsAgent.destroy();
    },
  };
}
