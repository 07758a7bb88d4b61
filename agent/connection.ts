/**
 * One client's connection: bytes in, answers out, in order. What it may cost is bounded: requests that wait, bytes that wait to be
 * read by the client, and nothing is read while either is full. A client that has closed its half still gets its answers.
 */
import type { Socket } from 'node:net';
import { asWardenError } from '../src/errors.ts';
import type { Dispatcher } from './dispatch.ts';
import { encodeFrame, FrameReader } from './protocol/frames.ts';

/** Go's clients send up to 32 requests before they read. */
const MAX_QUEUED = 64;
/** A client that does not take its answers within this time is gone. */
const DRAIN_DEADLINE_MS = 30_000;

/** Serves `socket` (made with allowHalfOpen) until it closes. */
export function serveConnection(
  socket: Socket,
  dispatcher: Pick<Dispatcher, 'answer' | 'refused' | 'close'>,
): void {
  const frames = new FrameReader();
  const queue: Buffer[] = [];
  let working = false;
  let paused = false;
  let ended = false;
  let closed = false;

  const close = () => {
    if (closed) return;
    closed = true;
    queue.length = 0;
    socket.destroy();
    dispatcher.close();
  };
  /** Flushes the answers, of which a client that reads late may not have taken all, then closes. A frame cut short gets none. */
  const finish = () => {
    if (closed) return;
    const timer = setTimeout(close, DRAIN_DEADLINE_MS);
    socket.once('close', () => clearTimeout(timer));
    socket.end(close);
  };
  /** Resolves when the client has taken so much that more may be sent; most often nothing has to be waited for. */
  const send = (answer: Buffer): Promise<void> | undefined => {
    if (closed || socket.write(encodeFrame(answer))) return undefined;
    return new Promise<void>((resolve) => {
      const timer = setTimeout(close, DRAIN_DEADLINE_MS);
      const done = () => {
        clearTimeout(timer);
        socket.off('drain', done).off('close', done);
        resolve();
      };
      socket.once('drain', done).once('close', done);
    });
  };
  const work = async () => {
    working = true;
    for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
      const sent = send(await dispatcher.answer(message));
      if (sent !== undefined) await sent;
      if (paused && queue.length < MAX_QUEUED) {
        paused = false;
        socket.resume();
      }
    }
    working = false;
    if (ended) finish();
    // A mint may have ended after the client had gone.
    if (closed) dispatcher.close();
  };

  socket.on('data', (chunk: Buffer) => {
    try {
      queue.push(...frames.push(chunk));
    } catch (thrown) {
      dispatcher.refused(asWardenError(thrown).message);
      close();
      return;
    }
    if (queue.length >= MAX_QUEUED) {
      paused = true;
      socket.pause();
    }
    if (!working && queue.length > 0) void work();
  });
  socket.on('end', () => {
    ended = true;
    if (!working) finish();
  });
  socket.on('error', close);
  socket.on('close', close);
}
