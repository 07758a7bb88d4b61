/** A client of an agent's socket that costs next to nothing: under load, what is measured must not be the client. */
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFrame, FrameReader } from '../agent/protocol/frames.ts';
import { MESSAGE, parseIdentities } from '../agent/protocol/messages.ts';
import { errnoOf } from '../src/errors.ts';
import {
  type Bind,
  encodeBind,
  encodeLoginData,
  encodeSignRequest,
  LIST,
} from '../test/support/agent-client.ts';
import { syntheticBind } from '../test/support/binds.ts';
import { RAW_LOGIN } from './parts.ts';

/** One request at a time. */
export class RawClient {
  readonly #socket: Socket;
  readonly #frames = new FrameReader();
  #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const answer of this.#frames.push(chunk)) this.#waiting?.resolve(answer);
    });
    const gone = () => this.#waiting?.reject(new Error('the agent closed the connection'));
    socket.on('error', gone).on('close', gone);
  }

  /** Waits where the listener's queue is full, as connect(2) does for a program that blocks. */
  static async connect(path: string): Promise<RawClient> {
    for (;;) {
      const socket = connect(path);
      try {
        await once(socket, 'connect');
        return new RawClient(socket);
      } catch (thrown) {
        if (errnoOf(thrown) !== 'EAGAIN') throw thrown;
        await sleep(1);
      }
    }
  }

  request(message: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(encodeFrame(message));
    });
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }
}

/** Made before the clock runs: a server's signature over a session id. */
export interface PreparedLogin {
  readonly bind: Bind;
  readonly bindMessage: Buffer;
}

export function prepareLogins(hostKey: KeyObject, count: number): readonly PreparedLogin[] {
  return Array.from({ length: count }, () => {
    const bind = syntheticBind(hostKey);
    return { bind, bindMessage: encodeBind(bind) };
  });
}

/** What a login lasted, in milliseconds. */
export interface LoginTimes {
  /** List request to certificate. */
  readonly list: number;
  /** Connecting to signature. */
  readonly whole: number;
}

/** One login as ssh makes it: bind, list, sign, close. Rejects where any step has no good answer. */
export async function preparedLogin(
  socket: string,
  { bind, bindMessage }: PreparedLogin,
): Promise<LoginTimes> {
  const began = performance.now();
  const client = await RawClient.connect(socket);
  try {
    if ((await client.request(bindMessage))[0] !== MESSAGE.success) throw new Error('the bind was refused');
    const asked = performance.now();
    const answer = await client.request(LIST);
    const list = performance.now() - asked;
    const [identity] = answer[0] === MESSAGE.identitiesAnswer ? parseIdentities(answer) : [];
    if (identity === undefined) throw new Error('there was no certificate: look at the log');
    const { sessionId, hostKey } = bind;
    const data = encodeLoginData({ sessionId, user: RAW_LOGIN, key: identity.blob, hostKey });
    const signature = await client.request(encodeSignRequest(identity.blob, data));
    if (signature[0] !== MESSAGE.signResponse) throw new Error('no signature');
    return { list, whole: performance.now() - began };
  } finally {
    client.close();
  }
}

/** Runs `once` for each item, so many at a time. */
export async function together<T, R>(
  items: readonly T[],
  atOnce: number,
  once: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const left = items.values();
  const worker = async () => {
    for (const item of left) results.push(await once(item));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}
