/**
 * HTTP to OpenBao, and nothing else: base addresses in order, kept-alive connections, a deadline for connecting and one for the whole
 * exchange, a limit on the answer. Its HTTP/1.1 is its own (http-connection.ts, http-answer.ts), because for one
 * POST node:http takes half a millisecond of CPU, a sixth of a login, and undici tens of megabytes (`bench/RESULTS.md`).
 * Left out: redirects, proxies, compression. Another address is tried while nothing has been sent, and where the caller allows
 * it, after a node that can't serve.
 */
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsConfig } from '../config/config.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';
import { TooLarge } from './http-answer.ts';
import { Endpoint } from './http-connection.ts';

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
  /** May be sent to another address after one has refused it. Not a signature: each has a record of its own. */
  readonly repeatable?: boolean;
}

export interface BaoResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
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

/** Statuses of a node that can't serve just now, where another may: a standby, a replica, stale, sealed, without a leader. */
export function isNodeUnable(status: number): boolean {
  return [307, 412, 429, 472, 473].includes(status) || (status >= 500 && status !== 501);
}

/** The system's name of it, or OpenSSL's; its words where it broke a write that waited for the handshake. */
function reasonOf(cause: Error): string {
  const code = errnoOf(cause);
  const words = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(cause.message)?.[1] : undefined;
  return words === undefined ? code || cause.message : `${code}, ${words}`;
}

/** By OpenSSL's names, and Node's for a certificate of another host (nodejs.org, "TLS: X509 certificate error codes"). */
const TLS_HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /protocol.version|unsupported.protocol/i,
    'TLS 1.2 or newer is wanted, and its listener offers none: tls_min_version, tls_max_version',
  ],
  [
    /alert/i,
    "it refuses this side's TLS certificate: name one that its listener trusts in openbao.client_cert and client_key",
  ],
  [
    /cert|verify/i,
    "its TLS certificate is not trusted: name the CA's file in openbao.ca_cert, or the certificate's name in openbao.tls_server_name",
  ],
];

function tlsHint(cause: Error): string | undefined {
  return TLS_HINTS.find(([pattern]) => pattern.test(reasonOf(cause)))?.[1];
}

function unreachable(address: string, cause: Error): WardenError {
  return new WardenError('bao_unreachable', `can't reach OpenBao at ${address}: ${reasonOf(cause)}`, {
    hint: tlsHint(cause) ?? 'is it running, and is openbao.addr (or BAO_ADDR) right, http or https?',
    cause,
  });
}

function disconnected(address: string, cause: Error): WardenError {
  return new WardenError(
    'bao_disconnected',
    `the connection to OpenBao at ${address} broke off: ${reasonOf(cause)}`,
    {
      hint: tlsHint(cause) ?? "look at OpenBao's log, and at what stands between (a proxy, a load balancer)",
      cause,
    },
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

/** What Node's own client refuses too: a line break in a value would be a field or a request of its own. */
const FIELD_VALUE = /^[\t\x20-\x7e]*$/;

function encodeRequest(endpoint: Endpoint, { method, path, headers, body }: BaoRequest): string {
  let head = `${method} ${endpoint.prefix}/v1/${path} HTTP/1.1\r\nHost: ${endpoint.host}\r\nConnection: keep-alive\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (!FIELD_VALUE.test(value))
      throw new WardenError('config_invalid', `${name} can't be sent to OpenBao: it is not printable ASCII`, {
        hint: 'correct the token, or openbao.namespace',
      });
    head += `${name}: ${value}\r\n`;
  }
  if (body === undefined) return `${head}\r\n`;
  return `${head}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** A client for the given base addresses (`https://host:8200`, no trailing slash). Throws `config_invalid` for unusable PEM texts. */
export function createHttpClient(addresses: readonly string[], tls: TlsConfig): HttpClient {
  const tlsOptions = {
    context: secureContext(tls),
    verify: !tls.skipVerify,
    serverName: tls.serverName,
  };
  const endpoints = addresses.map((address) => new Endpoint(address, tlsOptions, MAX_ANSWER_BYTES));
  /** Index of the address to ask first: the one that served last. */
  let preferred = 0;

  function exchange(index: number, request: BaoRequest, leftMs: number): Promise<BaoResponse> {
    const address = addresses[index] ?? '';
    const endpoint = endpoints[index];
    return new Promise((resolve, reject) => {
      if (endpoint === undefined) return reject(timeout(address, request.deadlineMs));
      const text = encodeRequest(endpoint, request);
      let connected = false;
      let cancel = () => {};
      const fail = (error: WardenError) => {
        clearTimeout(connecting);
        clearTimeout(whole);
        cancel();
        reject(error);
      };
      const broke = (cause: Error) => {
        if (cause instanceof TooLarge) fail(tooLarge(address));
        else fail(connected ? disconnected(address, cause) : unreachable(address, cause));
      };
      const connecting = setTimeout(
        () => broke(new Error(`no connection within ${CONNECT_DEADLINE_MS} ms`)),
        CONNECT_DEADLINE_MS,
      );
      const whole = setTimeout(() => fail(timeout(address, request.deadlineMs)), leftMs);
      cancel = endpoint.exchange(text, {
        onConnected() {
          connected = true;
          clearTimeout(connecting);
        },
        onAnswer({ status, headers, body }) {
          clearTimeout(connecting);
          clearTimeout(whole);
          resolve({ status, headers, body: body.toString('utf8'), address });
        },
        onBroken: broke,
      });
    });
  }

  return {
    async request(request) {
      const started = performance.now();
      const order = [...addresses.keys()].map((step) => (preferred + step) % addresses.length);
      let failure: WardenError | undefined;
      for (const index of order) {
        const left = request.deadlineMs - (performance.now() - started);
        if (left <= 0) break;
        const another = (index + 1) % addresses.length;
        try {
          const response = await exchange(index, request, left);
          const unable = isNodeUnable(response.status);
          // The next request, at least, goes to another.
          preferred = unable ? another : index;
          if (!unable || request.repeatable !== true || index === order.at(-1)) return response;
        } catch (thrown) {
          failure = asWardenError(thrown);
          preferred = another;
          if (failure.code !== 'bao_unreachable') throw failure;
        }
      }
      throw failure ?? timeout(addresses[0] ?? '', request.deadlineMs);
    },
    close() {
      for (const endpoint of endpoints) endpoint.close();
    },
  };
}
