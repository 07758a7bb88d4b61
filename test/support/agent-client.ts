/**
 * A raw client of an agent's Unix socket (RFC 9987; OpenSSH's PROTOCOL.agent), for tests that say what no ssh says: any bytes, any
 * order, any parameters. Encodes what it is told without judging it; frames are cut by the daemon's own reader.
 */
import { connect, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../agent/protocol/frames.ts';
import { type Identity, MESSAGE, parseIdentities, SESSION_BIND } from '../../agent/protocol/messages.ts';
import { Reader, Writer } from '../../src/ssh/wire.ts';

const DEADLINE_MS = 10_000;

export const LIST = Buffer.from([MESSAGE.requestIdentities]);

/** What a server proves in a key exchange: its host key (or host certificate), the session id, its signature over that. */
export interface Bind {
  readonly hostKey: Buffer;
  readonly sessionId: Buffer;
  readonly signature: Buffer;
}

/** A session-bind message; `forwarded` is the flag is_forwarding. */
export function encodeBind(bind: Bind, forwarded = false): Buffer {
  const { hostKey, sessionId, signature } = bind;
  const writer = new Writer().u8(MESSAGE.extension).string(SESSION_BIND);
  return writer.string(hostKey).string(sessionId).string(signature).bool(forwarded).done();
}

/** A sign request; flags 2 and 4 ask an RSA key for rsa-sha2-256 and rsa-sha2-512. */
export function encodeSignRequest(key: Buffer, data: Buffer, flags = 0): Buffer {
  return new Writer().u8(MESSAGE.signRequest).string(key).string(data).u32(flags).done();
}

export interface LoginData {
  readonly sessionId: Buffer;
  readonly user: string;
  readonly key: Buffer;
  /** Default: the type at the front of `key`. */
  readonly algorithm?: string;
  /** With it the method is publickey-hostbound-v00@openssh.com. */
  readonly hostKey?: Buffer;
  /** Default `ssh-connection`. */
  readonly service?: string;
}

/** The data that a client has signed to log in (RFC 4252 section 7; OpenSSH's PROTOCOL section 1.8). */
export function encodeLoginData(login: LoginData): Buffer {
  const { sessionId, user, key, hostKey, service = 'ssh-connection' } = login;
  const algorithm = login.algorithm ?? new Reader(key).text();
  const method = hostKey === undefined ? 'publickey' : 'publickey-hostbound-v00@openssh.com';
  const writer = new Writer().string(sessionId).u8(50).string(user).string(service).string(method);
  writer.u8(1).string(algorithm).string(key);
  return (hostKey === undefined ? writer : writer.string(hostKey)).done();
}

/** Why there was no answer. */
export class NoAnswer extends Error {}

/** One connection to an agent. Answers are taken in the order in which they came. */
export class AgentClient {
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  readonly #answers: Buffer[] = [];
  #wake: () => void = () => undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#answers.push(...this.#frames.push(chunk).map((message) => Buffer.from(message)));
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    // An agent that ends its side has closed the connection as far as a client can tell.
    socket.on('end', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Rejects where nobody listens on the path. */
  static connect(path: string): Promise<AgentClient> {
    return new Promise((resolve, reject) => {
      // Half open: after halfClose() the answers still come.
      const socket = connect({ path, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new AgentClient(socket));
      });
    });
  }

  /** Whether the agent has closed the connection. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes as they are: half a frame, several at once, a wrong length. */
  sendRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** One message in a frame. */
  send(message: Buffer): void {
    this.sendRaw(encodeFrame(message));
  }

  /** The next answer, without its length. Rejects with NoAnswer where the agent closes first or the deadline (ms) passes. */
  async receive(deadline = DEADLINE_MS): Promise<Buffer> {
    const end = Date.now() + deadline;
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) return answer;
      if (this.#closed) throw new NoAnswer('the agent closed the connection');
      const left = end - Date.now();
      if (left <= 0) throw new NoAnswer(`no answer within ${deadline} ms`);
      await this.#event(left);
    }
  }

  /** Resolves when the agent has closed the connection. Rejects at the deadline (ms). */
  async waitForClose(deadline = DEADLINE_MS): Promise<void> {
    const end = Date.now() + deadline;
    while (!this.#closed) {
      const left = end - Date.now();
      if (left <= 0) throw new NoAnswer(`the connection is still open after ${deadline} ms`);
      await this.#event(left);
    }
  }

  #event(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async request(message: Buffer, deadline = DEADLINE_MS): Promise<Buffer> {
    this.send(message);
    return this.receive(deadline);
  }

  /** Sends a bind; whether the agent took it. */
  async bind(bind: Bind, forwarded = false): Promise<boolean> {
    return (await this.request(encodeBind(bind, forwarded)))[0] === MESSAGE.success;
  }

  /** The agent's list; FAILURE is an empty one, as for ssh. */
  async identities(): Promise<Identity[]> {
    const answer = await this.request(LIST);
    if (answer[0] === MESSAGE.failure) return [];
    if (answer[0] !== MESSAGE.identitiesAnswer) throw new Error(`a list was answered with type ${answer[0]}`);
    return parseIdentities(answer);
  }

  /** The signature (`string algorithm, string bytes`), or undefined where the agent refused. */
  async sign(key: Buffer, data: Buffer, flags = 0): Promise<Buffer | undefined> {
    const answer = await this.request(encodeSignRequest(key, data, flags));
    if (answer[0] !== MESSAGE.signResponse) return undefined;
    const body = new Reader(answer.subarray(1));
    const signature = body.string();
    body.end();
    return signature;
  }

  /** Ends the write side and leaves the other open. */
  halfClose(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}
