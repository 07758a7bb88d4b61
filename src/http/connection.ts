/**
 * Connections to one base address (OpenBao's, the gate's): made when they are needed, kept while the server keeps them, one exchange at a time on
 * each. Plain TCP, TLS or a Unix socket; what is said on them is answer.ts.
 */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { type Clock, systemClock } from '../system/clock.ts';
import { AnswerReader, type HttpAnswer } from './answer.ts';

/** Connections that are kept though nobody uses them: a burst's are let go. */
const MAX_IDLE = 8;
const KEEP_ALIVE_MS = 60_000;
/** A connection that has waited for less is trusted. */
export const IDLE_TRUSTED_MS = 30_000;

export interface TlsOptions {
  /** Undefined where no address is https. */
  readonly context: SecureContext | undefined;
  readonly verify: boolean;
  /** The name in the server's certificate, where it is not the address's. */
  readonly serverName: string | undefined;
}

/** What becomes of an exchange; exactly one of them is called, and none after `cancel`. */
export interface ExchangeEvents {
  /**
   * The connection stands: from now on the request may have been received. For how many milliseconds it had waited for a request, by the clock on
   * the wall too, which goes on while a laptop sleeps; undefined: it is new.
   */
  readonly onConnected: (idleMs: number | undefined) => void;
  readonly onAnswer: (answer: HttpAnswer) => void;
  /** The system's error, or NotHttp or TooLarge. */
  readonly onBroken: (cause: Error) => void;
}

class Connection {
  readonly socket: Socket;
  ready = false;
  /** When it began to wait for a request. */
  idleSince: { readonly ms: number; readonly ns: bigint } | undefined;
  events: ExchangeEvents | undefined;
  reader: AnswerReader | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }
}

/** About the connections that wait for a request. */
export interface WaitingOptions {
  readonly clock: Clock;
  /** The last connection that waited was closed by the other side, or broke, after so many milliseconds of waiting. */
  readonly onCooled: (idleMs: number) => void;
}

export class Endpoint {
  readonly #url: URL;
  readonly #tls: TlsOptions;
  readonly #maxBody: number;
  readonly #waiting: WaitingOptions;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  /** The last session's ticket, so that a further connection needs no whole handshake. */
  #session: Buffer | undefined;

  constructor(
    address: string,
    tls: TlsOptions,
    maxBody: number,
    waiting: WaitingOptions = { clock: systemClock, onCooled: () => undefined },
  ) {
    this.#url = new URL(address);
    this.#tls = tls;
    this.#maxBody = maxBody;
    this.#waiting = waiting;
  }

  /** Whether a connection waits for a request. */
  get hasIdle(): boolean {
    return this.#idle.length > 0;
  }

  /** `host:port` as the Host field has it; a Unix socket has no name. */
  get host(): string {
    return this.#url.host || 'localhost';
  }

  /** Where the address's own path ends, without a slash. */
  get prefix(): string {
    return this.#url.protocol === 'unix:' ? '' : this.#url.pathname.replace(/\/$/, '');
  }

  /** Sends a whole request. Returns what gives it up: its connection is closed with it. */
  exchange(request: string, events: ExchangeEvents): () => void {
    const connection = this.#take() ?? this.#open();
    connection.events = events;
    connection.reader = new AnswerReader(this.#maxBody);
    connection.socket.ref();
    if (connection.ready) events.onConnected(this.#idleMs(connection));
    connection.socket.write(request);
    return () => {
      connection.events = undefined;
      connection.socket.destroy();
    };
  }

  /** Closes those that have waited for so long that they can't be trusted. */
  dropOld(): void {
    for (const connection of this.#idle.splice(0))
      if (this.#idleMs(connection) < IDLE_TRUSTED_MS) this.#idle.push(connection);
      else connection.socket.destroy();
  }

  /** The one that has waited least. One of those that may be dead is enough to find out with. */
  #take(): Connection | undefined {
    const connection = this.#idle.pop();
    this.dropOld();
    return connection;
  }

  close(): void {
    this.#idle.length = 0;
    for (const { socket } of this.#all) socket.destroy();
  }

  #idleMs({ idleSince }: Connection): number {
    if (idleSince === undefined) return 0;
    const { clock } = this.#waiting;
    return Math.max(Number(clock.monotonicNs() - idleSince.ns) / 1e6, clock.now() - idleSince.ms);
  }

  #dial(): Socket {
    const { protocol, port, pathname } = this.#url;
    if (protocol === 'unix:') return connectTcp({ path: decodeURIComponent(pathname) });
    const host = this.#url.hostname.replace(/^\[|\]$/g, '');
    const common = { host, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
    if (protocol !== 'https:') return connectTcp({ ...common, port: Number(port || 80) });
    const { context, verify, serverName } = this.#tls;
    const name = serverName ?? (isIP(host) === 0 ? host : undefined);
    const socket = connectTls({
      ...common,
      port: Number(port || 443),
      ...(context === undefined ? {} : { secureContext: context }),
      rejectUnauthorized: verify,
      ALPNProtocols: ['http/1.1'],
      ...(name === undefined ? {} : { servername: name }),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    socket.on('session', (session) => {
      this.#session = session;
    });
    return socket;
  }

  #open(): Connection {
    const socket = this.#dial();
    const connection = new Connection(socket);
    this.#all.add(connection);
    const broken = (cause: Error) => {
      const { events } = connection;
      connection.events = undefined;
      socket.destroy();
      events?.onBroken(cause);
    };
    socket.once(this.#url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      connection.ready = true;
      connection.events?.onConnected(undefined);
    });
    socket.on('data', (chunk: Buffer) => {
      // Nothing was asked: whatever it is, it is no answer.
      if (connection.events === undefined) socket.destroy();
      else this.#read(connection, broken, (reader) => reader.push(chunk));
    });
    socket.on('end', () => this.#read(connection, broken, (reader) => reader.end()));
    socket.on('error', broken);
    socket.on('close', () => {
      this.#all.delete(connection);
      const at = this.#idle.indexOf(connection);
      if (at >= 0) {
        this.#idle.splice(at, 1);
        if (!this.hasIdle) this.#waiting.onCooled(this.#idleMs(connection));
      }
      broken(new Error('it was closed'));
    });
    return connection;
  }

  #read(
    connection: Connection,
    broken: (cause: Error) => void,
    read: (reader: AnswerReader) => HttpAnswer | undefined,
  ): void {
    const { events, reader, socket } = connection;
    if (events === undefined || reader === undefined) return;
    let answer: HttpAnswer | undefined;
    try {
      answer = read(reader);
    } catch (thrown) {
      broken(thrown instanceof Error ? thrown : new Error(String(thrown)));
      return;
    }
    if (answer === undefined) return;
    connection.events = undefined;
    connection.reader = undefined;
    if (answer.reusable && this.#idle.length < MAX_IDLE) {
      // It alone keeps no process alive.
      socket.unref();
      const { clock } = this.#waiting;
      connection.idleSince = { ms: clock.now(), ns: clock.monotonicNs() };
      this.#idle.push(connection);
    } else socket.destroy();
    events.onAnswer(answer);
  }
}
