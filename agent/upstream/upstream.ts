/**
 * The agent behind: one connection to it for each client connection, dialled when it is first needed and again when it has gone.
 * It is given the client's frames as they are, session-binds first, so that keys restricted to a destination (`ssh-add -h`) work.
 * Every answer has a deadline; a connection that missed one is dropped, because its next answer would be the wrong one.
 */
import { connect, type Socket } from 'node:net';
import { errnoOf, WardenError } from '../../src/errors.ts';
import { encodeFrame, FrameReader } from '../protocol/frames.ts';

export const DIAL_DEADLINE_MS = 1_000;
/** A person may be asked to touch a key or type a passphrase (`ssh-add -c`, gpg-agent). */
export const ANSWER_DEADLINE_MS = 120_000;
const BIND_DEADLINE_MS = 1_000;
/** As many as OpenSSH's agent takes, and one that it refuses, so that it knows too. */
const MAX_BINDS = 17;

function unavailable(path: string, why: string): WardenError {
  return new WardenError('upstream_unavailable', `the agent behind warden (${path}) ${why}`, {
    hint: 'start it, or set agent.upstream',
  });
}

/** One dialled connection: requests in, answers out, in order, one at a time. */
class UpstreamConnection {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #frames = new FrameReader();
  #waiting: { resolve: (message: Buffer) => void; reject: (error: Error) => void } | undefined;
  #closed = false;

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => this.close('broke off'));
    socket.on('close', () => this.close('closed the connection'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#frames.push(chunk)) {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        if (waiting === undefined) this.close('answered without having been asked');
        else waiting.resolve(message);
      }
    } catch {
      this.close('sent a frame that is no frame');
    }
  }

  close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#waiting?.reject(unavailable(this.#path, why));
    this.#waiting = undefined;
  }

  exchange(message: Buffer, deadlineMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(unavailable(this.#path, 'is gone'));
      const timer = setTimeout(() => this.close(`did not answer within ${deadlineMs} ms`), deadlineMs);
      this.#waiting = {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#socket.write(encodeFrame(message));
    });
  }
}

function dial(path: string, deadlineMs: number): Promise<UpstreamConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(unavailable(path, `did not accept a connection within ${deadlineMs} ms`));
    }, deadlineMs);
    socket.once('error', (cause) => {
      clearTimeout(timer);
      reject(unavailable(path, `can't be reached: ${errnoOf(cause)}`));
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(new UpstreamConnection(socket, path));
    });
  });
}

/** The upstream as one client connection sees it. Calls must not overlap: the connection's own order is the upstream's. */
export class Upstream {
  readonly #path: string | undefined;
  readonly #binds: Buffer[] = [];
  #connection: UpstreamConnection | undefined;

  /** `path` is the upstream's socket, or undefined where there is none. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  get configured(): boolean {
    return this.#path !== undefined;
  }

  /** Remembers a session-bind frame: the upstream gets it before anything else, and at once when it is already connected. */
  async bind(message: Buffer): Promise<void> {
    if (this.#binds.length >= MAX_BINDS) return;
    this.#binds.push(Buffer.from(message));
    if (this.#connection === undefined || this.#connection.closed) return;
    await this.#connection.exchange(message, BIND_DEADLINE_MS).catch(() => this.close());
  }

  /** Sends a message and returns the answer. Throws `upstream_unavailable`. */
  async request(message: Buffer, deadlineMs: number = ANSWER_DEADLINE_MS): Promise<Buffer> {
    const connection = await this.#connected(Math.min(DIAL_DEADLINE_MS, deadlineMs));
    return connection.exchange(message, deadlineMs);
  }

  async #connected(deadlineMs: number): Promise<UpstreamConnection> {
    if (this.#path === undefined) throw unavailable('none', 'is not configured');
    if (this.#connection !== undefined && !this.#connection.closed) return this.#connection;
    const connection = await dial(this.#path, deadlineMs);
    this.#connection = connection;
    // Whatever it answers: a client of OpenSSH's does not look at the answer to a bind either.
    for (const bind of this.#binds) await connection.exchange(bind, Math.min(BIND_DEADLINE_MS, deadlineMs));
    return connection;
  }

  close(): void {
    this.#connection?.close('is no longer needed');
    this.#connection = undefined;
  }
}
