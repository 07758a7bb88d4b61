/**
 * Frames of the ssh-agent protocol (RFC 9987 section 3): a uint32 length, then that many bytes, of which the first is the message's
 * type. Frames are cut out of whatever chunks the socket gives; nothing larger than OpenSSH's limit is ever collected.
 */
import { WardenError } from '../../src/errors.ts';

/** The largest frame, without its length (`ssh-agent.c: AGENT_MAX_LEN`). */
export const MAX_FRAME = 256 * 1024;

/** A message with its length in front, ready to be written. */
export function encodeFrame(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + message.length);
  frame.writeUInt32BE(message.length, 0);
  message.copy(frame, 4);
  return frame;
}

/** Collects chunks and yields the messages inside (type byte and body, without the length). */
export class FrameReader {
  /** Bytes that wait for the rest of their frame, at the front of a buffer with room for more: one byte at a time must not cost a buffer each. */
  #buffer = Buffer.alloc(0);
  #size = 0;

  /** Bytes that wait for the rest of their frame. */
  get pending(): number {
    return this.#size;
  }

  /**
   * Adds what the socket gave and returns the messages that are now whole.
   * Throws `limit_exceeded` for a frame of no bytes or more than MAX_FRAME: the connection can't go on.
   */
  push(chunk: Buffer): Buffer[] {
    const waiting = this.#size > 0;
    const data = waiting ? this.#append(chunk) : chunk;
    const messages: Buffer[] = [];
    let at = 0;
    while (data.length - at >= 4) {
      const length = data.readUInt32BE(at);
      if (length === 0 || length > MAX_FRAME) {
        throw new WardenError('limit_exceeded', `a frame of ${length} bytes; 1 to ${MAX_FRAME} are allowed`);
      }
      if (data.length - at < 4 + length) break;
      messages.push(data.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    // Nothing was taken: all of it is in its place already.
    if (waiting && at === 0) return messages;
    // A copy: the messages are views of the old buffer, and a view of the rest would keep a whole chunk alive.
    this.#buffer = Buffer.from(data.subarray(at));
    this.#size = this.#buffer.length;
    return messages;
  }

  #append(chunk: Buffer): Buffer {
    const size = this.#size + chunk.length;
    if (size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#size);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#size);
    this.#size = size;
    return this.#buffer.subarray(0, size);
  }
}
