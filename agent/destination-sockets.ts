/**
 * The destination sockets beside the agent's own (session/socket-scope.ts): `to/HOST.sock` and `lane/ID.sock`, and one for each login
 * name in the directory of the same name (`to/HOST/LOGIN.sock`, for `IdentityAgent …/%r.sock`). Those of lanes with `unbound: allow`
 * are there from the start, for their exact hosts; any other host that a lane covers has them when it was asked for, and again after a
 * restart: its directory stays. Not again: those for login names of a lane with `logins: ["*"]`, which nothing names but who asks.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Lane } from '../src/catalog/lane.ts';
import { parsePattern } from '../src/catalog/pattern.ts';
import { withPort } from '../src/destination/host-name.ts';
import { asWardenError, WardenError } from '../src/errors.ts';
import { ensurePrivateDirectory } from '../src/system/directories.ts';
import { type Listening, listenAt, type Serve } from './listener.ts';
import type { Log } from './log.ts';
import { narrowed, type SocketScope } from './session/socket-scope.ts';
import { laneOfSocket } from './session/unbound-login.ts';

/** Sockets that are opened without having been asked for; each is a descriptor. */
export const MAX_AT_START = 256;
/** Of all together. */
export const MAX_SOCKETS = 1_024;
const HOSTS = 'to';
const LANES = 'lane';

/** Which socket is asked for: of a host (as it is typed) or of a lane, and for one login name or any. */
export interface SocketRequest {
  readonly host?: string | undefined;
  readonly lane?: string | undefined;
  readonly login?: string | undefined;
}

function usage(message: string): WardenError {
  return new WardenError('usage', message, { hint: 'warden agent socket --help' });
}

/** A name as a file's: what would lead elsewhere is none. Throws `usage`. */
function fileName(name: string): string {
  if (name === '' || name.startsWith('.') || /[/\0]/.test(name))
    throw usage(`${JSON.stringify(name)} can't name a socket`);
  return name;
}

export class DestinationSockets {
  readonly #directory: string;
  readonly #serve: (scope: SocketScope) => Serve;
  readonly #log: Log;
  readonly #open = new Map<string, Listening>();
  /** One at a time: two that open the same path would take each other for another agent. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** `agentSocket` is the path of the agent's own; `serve` is given each connection with what its socket is for. */
  constructor(agentSocket: string, serve: (scope: SocketScope) => Serve, log: Log) {
    this.#directory = dirname(agentSocket);
    this.#serve = serve;
    this.#log = log;
  }

  /** The paths that are listened on. */
  get paths(): readonly string[] {
    return [...this.#open.keys()];
  }

  connections(): number {
    return [...this.#open.values()].reduce((sum, { connections }) => sum + connections(), 0);
  }

  /** Opens what is there without being asked for. What can't be opened is the log's: logins by the agent's own socket go on. */
  async openUsual(lanes: readonly Lane[]): Promise<void> {
    const allowing = lanes.filter(({ unbound }) => unbound);
    const hosts = allowing.flatMap((lane) =>
      lane.hosts.flatMap((host) => (host.kind === 'exact' ? [withPort(host.host, host.port)] : [])),
    );
    const usual: SocketRequest[] = [
      ...allowing.map(({ id }) => ({ lane: id })),
      ...[...new Set([...hosts, ...this.#askedForBefore()])].map((host) => ({ host })),
    ];
    for (const request of usual) {
      if (this.#closed) return;
      try {
        if (this.#open.size >= MAX_AT_START) {
          this.#log.warn(
            { sockets: MAX_AT_START },
            'further destination sockets are opened when asked for: warden agent socket',
          );
          return;
        }
        await this.open(request, lanes);
      } catch (thrown) {
        const error = asWardenError(thrown);
        this.#log.warn({ code: error.code, ...request }, error.message);
      }
    }
  }

  #askedForBefore(): readonly string[] {
    try {
      const found = readdirSync(join(this.#directory, HOSTS), { withFileTypes: true });
      return found.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    } catch {
      return [];
    }
  }

  /**
   * The path of a destination socket, which is opened where it is not yet, together with those of the lane's login names. Throws `usage`,
   * `no_lane`, `ambiguous_host_key`, `wrong_socket`, `socket_path`, `limit_exceeded`.
   */
  open(request: SocketRequest, lanes: readonly Lane[]): Promise<string> {
    const opened = this.#turn.then(() => this.#openNow(request, lanes));
    this.#turn = opened.catch(() => undefined);
    return opened;
  }

  async #openNow({ host: typed, lane: id, login }: SocketRequest, lanes: readonly Lane[]): Promise<string> {
    if ((typed === undefined) === (id === undefined)) throw usage('one host or one lane has a socket');
    const host = typed === undefined ? undefined : exactHost(typed);
    const of = host === undefined ? { lane: id ?? '' } : { host };
    const lane = laneOfSocket(lanes, of);
    const base = join(this.#directory, host === undefined ? LANES : HOSTS, fileName(host ?? lane.id));
    const pathOf = (name: string | undefined) =>
      name === undefined ? `${base}.sock` : join(base, `${fileName(name)}.sock`);
    const asked = pathOf(login);
    narrowed(lane, { path: asked, ...(login === undefined ? {} : { login }) });
    const names = lane.logins.filter((name) => name !== '*');
    const wanted = [...new Set([undefined, ...names, login])].filter((name) => !this.#open.has(pathOf(name)));
    if (this.#open.size + wanted.length > MAX_SOCKETS)
      throw new WardenError('limit_exceeded', `${MAX_SOCKETS} destination sockets are open`, {
        hint: 'use the socket of the lane: warden agent socket --lane ID',
      });
    ensurePrivateDirectory(dirname(base));
    mkdirSync(base, { recursive: true, mode: 0o700 });
    ensurePrivateDirectory(base);
    for (const name of wanted) {
      const path = pathOf(name);
      const scope = { path, ...of, ...(name === undefined ? {} : { login: name }) };
      try {
        await this.#listen(scope);
      } catch (thrown) {
        const error = asWardenError(thrown);
        // A login name can make a path too long; that is nobody's who asked for another.
        if (path === asked || error.code !== 'socket_path') throw error;
        this.#log.warn({ code: error.code, ...scope }, error.message);
      }
    }
    return asked;
  }

  async #listen(scope: SocketScope): Promise<void> {
    if (this.#closed) throw new WardenError('not_running', 'the agent is ending');
    const listening = await listenAt(scope.path, this.#serve(scope));
    this.#open.set(scope.path, listening);
    // Ended meanwhile: nobody else would take it away.
    if (this.#closed) void listening.close();
  }

  /** Stops listening; what is connected goes on until `end`. */
  close(): void {
    this.#closed = true;
    for (const { close } of this.#open.values()) close();
  }

  /** Ends what is connected. */
  end(): void {
    for (const { end } of this.#open.values()) end();
    this.#open.clear();
  }
}

/** The host as known_hosts writes it. Throws `usage`. */
function exactHost(typed: string): string {
  const pattern = parsePattern(typed);
  if ('wrong' in pattern) throw usage(`${JSON.stringify(typed)} ${pattern.wrong}: ${pattern.hint}`);
  if (pattern.kind !== 'exact') throw usage(`${JSON.stringify(typed)} is not one host`);
  return withPort(pattern.host, pattern.port);
}
