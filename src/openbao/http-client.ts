/**
 * HTTP to OpenBao, and nothing else: base addresses in order, kept-alive connections, a deadline for connecting and one for the whole
 * exchange, a limit on the answer. Its HTTP/1.1 is its own (src/http), because for one
 * POST node:http takes half a millisecond of CPU, a sixth of a login, and undici tens of megabytes (`bench/RESULTS.md`).
 * Another address is tried while nothing has been sent, and where the caller allows it, after a node that can't serve. A kept connection
 * may be dead without a word (the laptop has slept, a NAT has forgotten it, the network is another): one that was idle for long has to answer
 * soon, or it and its like are given up, and the next request has a new one.
 * Left out: redirects, proxies, compression.
 */
import { createSecureContext, type SecureContext } from 'node:tls';
import type { TlsConfig } from '../config/config.ts';
import { asWardenError, WardenError } from '../errors.ts';
import { TooLarge } from '../http/answer.ts';
import { Endpoint, IDLE_TRUSTED_MS } from '../http/connection.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { deadline } from '../system/deadline.ts';
import { baseHeaders, HEALTH_PATH } from './headers.ts';
import { disconnected, timeout, tooLarge, unreachable } from './http-errors.ts';

export const CONNECT_DEADLINE_MS = 1_000;
/** OpenBao's answers on these paths are a few kilobytes. */
export const MAX_ANSWER_BYTES = 1024 * 1024;
/** How long the answer on any other may take, at least; where OpenBao is far or slow, so many times what its last answer took. */
const PATIENCE_MS = 500;
const PATIENCE_FACTOR = 4;
const WARM_DEADLINE_MS = 2_000;

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

export interface ReadyHttpClient extends HttpClient {
  /**
   * From now on a connection to the address that is asked first is open, and one to the address that would be next: opened again when OpenBao
   * closes it for being idle. Never waits.
   */
  keepReady(): void;
}

/** Statuses of a node that can't serve just now, where another may: a standby, a replica, stale, sealed, without a leader. */
export function isNodeUnable(status: number): boolean {
  return [307, 412, 429, 472, 473].includes(status) || (status >= 500 && status !== 501);
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
export function createHttpClient(
  addresses: readonly string[],
  tls: TlsConfig,
  clock: Clock = systemClock,
): ReadyHttpClient {
  // OpenSSL reads the system's CAs for each: longer than node takes to start.
  const context = addresses.some((address) => address.startsWith('https:')) ? secureContext(tls) : undefined;
  const tlsOptions = {
    context,
    verify: !tls.skipVerify,
    serverName: tls.serverName,
  };
  const endpoints = addresses.map((address, index) => {
    const onCooled = (idleMs: number) => {
      // Whoever closes sooner does not want any that wait.
      if (idleMs >= IDLE_TRUSTED_MS && isWanted(index)) warm(index);
    };
    return new Endpoint(address, tlsOptions, MAX_ANSWER_BYTES, { clock, onCooled });
  });
  /** Index of the address to ask first: the one that served last. */
  let preferred = 0;
  let keepsReady = false;
  const warming = new Set<number>();
  /** Failures of connections that had been kept: another may do. */
  const ofKept = new WeakSet<WardenError>();
  /** What the last answer of each took, in milliseconds. */
  const tookMs: number[] = addresses.map(() => 0);

  const next = (index: number) => (index + 1) % addresses.length;
  const isWanted = (index: number) => keepsReady && (index === preferred || index === next(preferred));

  function exchange(index: number, request: BaoRequest, leftMs: number): Promise<BaoResponse> {
    const address = addresses[index] ?? '';
    const endpoint = endpoints[index];
    return new Promise((resolve, reject) => {
      if (endpoint === undefined) return reject(timeout(address, request.deadlineMs));
      const text = encodeRequest(endpoint, request);
      const began = performance.now();
      let connected = false;
      let wasKept = false;
      let cancel = () => {};
      let endPatience = () => {};
      const end = () => {
        endConnecting();
        endWhole();
        endPatience();
      };
      const fail = (error: WardenError) => {
        end();
        cancel();
        reject(error);
      };
      const broke = (cause: Error) => {
        if (cause instanceof TooLarge) fail(tooLarge(address, MAX_ANSWER_BYTES));
        else if (!connected) fail(unreachable(address, cause));
        else {
          const error = disconnected(address, cause);
          if (wasKept) ofKept.add(error);
          fail(error);
        }
      };
      const endConnecting = deadline(CONNECT_DEADLINE_MS, () =>
        broke(new Error(`no connection within ${CONNECT_DEADLINE_MS} ms`)),
      );
      const endWhole = deadline(leftMs, () => fail(timeout(address, request.deadlineMs)));
      cancel = endpoint.exchange(text, {
        onConnected(idleMs) {
          connected = true;
          endConnecting();
          if (idleMs === undefined) return;
          wasKept = true;
          if (idleMs < IDLE_TRUSTED_MS) return;
          const ms = Math.min(leftMs / 2, Math.max(PATIENCE_MS, PATIENCE_FACTOR * (tookMs[index] ?? 0)));
          const giveUp = () => {
            // What has killed one has killed those that waited as long.
            for (const each of endpoints) each.dropOld();
            broke(new Error(`no answer on a connection that was idle for ${Math.round(idleMs / 1000)} s`));
          };
          endPatience = deadline(ms, giveUp);
        },
        onAnswer({ status, headers, body }) {
          end();
          tookMs[index] = performance.now() - began;
          resolve({ status, headers, body: body.toString('utf8'), address });
        },
        onBroken: broke,
      });
    });
  }

  /** Opens a connection by a question that anybody may ask: one on which nothing was asked yet OpenBao closes within seconds. */
  function warm(index: number): void {
    if (warming.has(index) || endpoints[index]?.hasIdle !== false) return;
    warming.add(index);
    const headers = baseHeaders(undefined);
    const question = { method: 'GET', path: HEALTH_PATH, headers, deadlineMs: WARM_DEADLINE_MS } as const;
    exchange(index, question, WARM_DEADLINE_MS)
      // The request that needs it will say so.
      .catch(() => undefined)
      .finally(() => warming.delete(index));
  }

  return {
    async request(request) {
      const started = performance.now();
      const order = [...addresses.keys()].map((step) => (preferred + step) % addresses.length);
      let failure: WardenError | undefined;
      let isSecondTry = false;
      for (let index = order.shift(); index !== undefined; ) {
        const left = request.deadlineMs - (performance.now() - started);
        if (left <= 0) break;
        try {
          const response = await exchange(index, request, left);
          const unable = isNodeUnable(response.status);
          // The next request, at least, goes to another.
          preferred = unable ? next(index) : index;
          if (keepsReady && addresses.length > 1) warm(next(preferred));
          if (!unable || request.repeatable !== true || order.length === 0) return response;
        } catch (thrown) {
          failure = asWardenError(thrown);
          preferred = next(index);
          if (ofKept.has(failure) && request.repeatable === true && !isSecondTry) {
            isSecondTry = true;
            if (order.length === 0) continue;
          } else if (failure.code !== 'bao_unreachable') throw failure;
        }
        index = order.shift();
      }
      throw failure ?? timeout(addresses[0] ?? '', request.deadlineMs);
    },
    keepReady() {
      keepsReady = true;
      for (const index of endpoints.keys()) if (isWanted(index)) warm(index);
    },
    close() {
      keepsReady = false;
      for (const endpoint of endpoints) endpoint.close();
    },
  };
}
