/**
 * The agent behind: one connection to it for each client connection, dialled when it is first needed and again when it has gone.
 * It is given the client's frames as they are, session-binds first, so that keys restricted to a destination (`ssh-add -h`) work.
 * Every answer has a deadline; a connection that missed one is dropped, because its next answer would be the wrong one.
 * An agent that closes the connection on a session-bind (KeeAgent does) is dialled again without: it knows no restricted keys.
 */
import { connect, type Socket } from 'node:net';
import { errnoOf, WardenError } from '../../src/errors.ts';
import { encodeFrame, FrameReader } from '../protocol/frames.ts';
import type { UpstreamState } from './upstream-state.ts';

/** Until it is connected and has been told of the binds. */
const DIAL_DEADLINE_MS = 1_000;
/** A person may be asked to touch a key or type a passphrase (`ssh-add -c`, gpg-agent). */
export const ANSWER_DEADLINE_MS = 120_000;
/** As many as OpenSSH's agent takes, and one that it refuses, so that it knows too. */
const MAX_BINDS = 17;
/** The largest bind that is kept for the upstream: a host certificate of a hundred names fits. */
const MAX_BIND = 16 * 1024;

/** A moment on the monotonic clock, and how long it was until then at first. */
interface Deadline {
  readonly ms: number;
  readonly at: number;
}

function deadlineIn(ms: number): Deadline {
  return { ms, at: performance.now() + ms };
}

function millisecondsTo(deadline: Deadline): number {
  return Math.max(0, deadline.at - performance.now());
}

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
  #hungUp = false;

  constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => this.#hangUp('broke off'));
    socket.on('close', () => this.#hangUp('closed the connection'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether it was the upstream that ended it. */
  get hungUp(): boolean {
    return this.#hungUp;
  }

  #hangUp(why: string): void {
    if (!this.#closed) this.#hungUp = true;
    this.close(why);
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

  exchange(message: Buffer, deadline: Deadline): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(unavailable(this.#path, 'is gone'));
      const timer = setTimeout(
        () => this.close(`did not answer within ${deadline.ms} ms`),
        millisecondsTo(deadline),
      );
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

function dial(path: string, deadline: Deadline): Promise<UpstreamConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(unavailable(path, `did not accept a connection within ${deadline.ms} ms`));
    }, millisecondsTo(deadline));
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
  readonly #state: UpstreamState;
  readonly #binds: Buffer[] = [];
  /** A bind was too large to be kept. */
  #oversized = false;
  /** Dialled without binds because it closes on them; believed once it has answered. */
  #withoutBinds = false;
  #connection: UpstreamConnection | undefined;

  constructor(state: UpstreamState) {
    this.#state = state;
  }

  get configured(): boolean {
    return this.#state.path !== undefined;
  }

  /** Remembers a session-bind frame: the upstream gets it before anything else, and at once when it is already connected. */
  async bind(message: Buffer): Promise<void> {
    if (message.length > MAX_BIND) {
      this.#oversized = true;
      this.close();
    }
    if (this.#oversized || this.#binds.length >= MAX_BINDS) return;
    this.#binds.push(Buffer.from(message));
    if (this.#connection === undefined || this.#connection.closed || this.#withoutBinds) return;
    await this.#connection.exchange(message, deadlineIn(DIAL_DEADLINE_MS)).catch(() => this.close());
  }

  /** Sends a message and returns the answer, all within `deadlineMs`: dialling and binds too. Throws `upstream_unavailable`. */
  async request(message: Buffer, deadlineMs: number = ANSWER_DEADLINE_MS): Promise<Buffer> {
    const deadline = deadlineIn(deadlineMs);
    const connection = await this.#connected(deadlineIn(Math.min(DIAL_DEADLINE_MS, deadlineMs)));
    const answer = await connection.exchange(message, deadline);
    if (this.#withoutBinds) this.#state.noteClosesOnBind();
    return answer;
  }

  async #connected(deadline: Deadline): Promise<UpstreamConnection> {
    const { path } = this.#state;
    if (path === undefined) throw unavailable('none', 'is not configured');
    // An agent that does not hear of a session takes its caller for a local one and lets it use keys that `ssh-add -h` restricted.
    if (this.#oversized)
      throw unavailable(path, `can't be told of a session-bind of more than ${MAX_BIND} bytes`);
    if (this.#connection === undefined || this.#connection.closed)
      this.#connection = await this.#dial(path, deadline);
    return this.#connection;
  }

  async #dial(path: string, deadline: Deadline): Promise<UpstreamConnection> {
    this.#withoutBinds = false;
    // Twice: an agent that is restarted at this moment is not one that closes on binds.
    for (let attempt = 0; attempt < 2 && this.#state.takesBinds(); attempt += 1) {
      const connection = await dial(path, deadline);
      if (await this.#sendBinds(connection, deadline)) return connection;
    }
    this.#withoutBinds = true;
    return dial(path, deadline);
  }

  /** Whether the connection has outlived the binds. Whatever it answers: a client of OpenSSH's does not look at the answers either. */
  async #sendBinds(connection: UpstreamConnection, deadline: Deadline): Promise<boolean> {
    for (const bind of this.#binds) {
      try {
        await connection.exchange(bind, deadline);
      } catch (thrown) {
        if (connection.hungUp) return false;
        throw thrown;
      }
    }
    return true;
  }

  close(): void {
    this.#connection?.close('is no longer needed');
    this.#connection = undefined;
  }
}
