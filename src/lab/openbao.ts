/**
 * The embedded stand-in for OpenBao: an HTTP server on 127.0.0.1 that answers as OpenBao 2.7.2 answers on the paths that warden uses,
 * the errors included (test/contract holds both to the same cases). NOT FOR PRODUCTION: the CA key lives in this process's memory, and
 * every answer and log line says so. Left out: TLS, storage, audit devices, namespaces, every other engine, and every login but AppRole's.
 */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { ed25519PublicBlob, fingerprint } from '../ssh/public-key.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { type CertificateFields, keyLine } from './certificate-writer.ts';
import { AppRoles } from './openbao-approle.ts';
import { BaoFailure } from './openbao-fields.ts';
import { roleFromRequest } from './openbao-role.ts';
import { type Answer, answerTo, type LabRequest, type State } from './openbao-routes.ts';
import { type TokenStore, tokenStore } from './openbao-tokens.ts';

/** OpenBao takes 32 MiB; nothing that the lab serves needs more than this. */
const MAX_BODY_BYTES = 1024 * 1024;
const REQUEST_DEADLINE_MS = 10_000;

/** An answer in place of the lab's own. */
export interface Override {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** After how many bytes of the body the connection is cut; 0 cuts it before any answer. */
  readonly cutAfter?: number;
}

export interface LabOpenBaoOptions {
  readonly port?: number;
  readonly mount?: string;
  readonly clock?: Clock;
  /** Bodies of `POST <mount>/roles/<name>` by name, written at start. */
  readonly roles?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly log?: (line: string) => void;
  /** For faults: looks at every request first; may wait, and may answer in the lab's place. */
  readonly intercept?: (request: LabRequest) => Promise<Override | undefined>;
  /** For faults: may change a certificate before it is signed. */
  readonly sign?: (fields: CertificateFields) => CertificateFields;
}

export interface LabOpenBao {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly port: number;
  readonly mount: string;
  /** One line, `ssh-ed25519 AAAA…`. */
  readonly caPublicKey: string;
  readonly caFingerprint: string;
  readonly tokens: TokenStore;
  readonly appRoles: AppRoles;
  setSealed(sealed: boolean): void;
  stop(): Promise<void>;
}

function failureAnswer(error: unknown): Answer {
  if (error instanceof BaoFailure) {
    return { status: error.status, json: { errors: error.message === '' ? [] : [error.message] } };
  }
  return { status: 500, json: { errors: ['internal error'] } };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const part = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new BaoFailure(413, 'http: request body too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function send(response: ServerResponse, answer: Answer, clock: Clock): void {
  const body = answer.text ?? (answer.json === undefined ? '' : `${JSON.stringify(answer.json)}\n`);
  response.writeHead(answer.status, {
    'Cache-Control': 'no-store',
    'Content-Type': 'application/json',
    'Strict-Transport-Security': 'max-age=31536000; includeSubDomains',
    'X-Warden-Lab': 'not for production',
    // Node would send the process's own time; OpenBao's clock is the one that signs.
    Date: new Date(clock.now()).toUTCString(),
    ...(answer.status === 204 ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
    ...answer.headers,
  });
  response.end(body);
}

function sendOverride(response: ServerResponse, override: Override): void {
  const body = Buffer.from(override.body ?? '');
  if (override.cutAfter === 0) {
    response.destroy();
    return;
  }
  response.writeHead(override.status ?? 200, {
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    'X-Warden-Lab': 'not for production',
    ...override.headers,
  });
  if (override.cutAfter === undefined) {
    response.end(body);
    return;
  }
  response.write(body.subarray(0, override.cutAfter), () => response.destroy());
}

/** Starts the stand-in. Stopped by `stop()`; a port of 0 (the default) takes a free one. */
export async function startLabOpenBao(options: LabOpenBaoOptions = {}): Promise<LabOpenBao> {
  const { mount = 'ssh', clock = systemClock, log = () => {} } = options;
  const ca = generateKeyPairSync('ed25519').privateKey;
  const blob = ed25519PublicBlob(ca);
  const roles = Object.entries(options.roles ?? {}).map(
    ([name, fields]) => [name, roleFromRequest(new Map(Object.entries(fields)))] as const,
  );
  const tokens = tokenStore(mount, clock);
  const state: State = {
    mount,
    clock,
    ca,
    caPublicKey: keyLine(blob),
    issuerId: randomUUID(),
    tokens,
    appRoles: new AppRoles(tokens, clock),
    roles: new Map(roles),
    sign: options.sign ?? ((fields) => fields),
    sealed: false,
  };
  const serve = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const method = message.method ?? '';
    let path = '';
    try {
      const url = new URL(message.url ?? '/', 'http://lab');
      path = decodeURIComponent(url.pathname).replace(/^\/v1\//, '');
      const request = { method, path, headers: message.headers, body: await readBody(message) };
      const override = await options.intercept?.(request);
      if (override !== undefined) {
        log(`warden lab (not for production): openbao ${method} ${path}: overridden`);
        sendOverride(response, override);
        return;
      }
      if (!url.pathname.startsWith('/v1/')) throw new BaoFailure(404, '');
      const answer = answerTo(state, request, url.searchParams.get('list') === 'true');
      log(`warden lab (not for production): openbao ${method} ${path}: ${answer.status}`);
      send(response, answer, clock);
    } catch (error) {
      const answer = failureAnswer(error);
      const why = error instanceof Error ? error.message : String(error);
      log(
        `warden lab (not for production): openbao ${method} ${path}: ${answer.status} ${JSON.stringify(why)}`,
      );
      if (!response.headersSent) send(response, answer, clock);
      else response.destroy();
    }
  };
  const server = createServer({ requestTimeout: REQUEST_DEADLINE_MS }, (message, response) => {
    void serve(message, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    mount,
    caPublicKey: state.caPublicKey,
    caFingerprint: fingerprint(blob),
    tokens: state.tokens,
    appRoles: state.appRoles,
    setSealed: (sealed) => {
      state.sealed = sealed;
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
