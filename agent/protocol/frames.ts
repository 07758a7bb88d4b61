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
  #chunks: Buffer[] = [];
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
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: Buffer[] = [];
    for (;;) {
      if (this.#size < 4) return messages;
      const length = this.#front(4).readUInt32BE(0);
      if (length === 0 || length > MAX_FRAME) {
        throw new WardenError('limit_exceeded', `a frame of ${length} bytes; 1 to ${MAX_FRAME} are allowed`);
      }
      if (this.#size < 4 + length) return messages;
      const data = this.#front(4 + length);
      messages.push(data.subarray(4, 4 + length));
      const rest = data.subarray(4 + length);
      this.#chunks = rest.length > 0 ? [rest] : [];
      this.#size = rest.length;
    }
  }

  /** The chunks joined as far as needed, so that the first `length` bytes lie in one buffer. */
  #front(length: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= length) {
      if (this.#chunks.length === 1) return first;
      if (length === 4) return first;
    }
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
