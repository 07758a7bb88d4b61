/**
 * The SSH wire types of RFC 4251 section 5 that keys, certificates and agent messages are made of:
 * byte, boolean, uint32, uint64, string. Not here: mpint arithmetic (mpints are read as strings), name-lists.
 * A Reader never reads past its end and `end()` refuses trailing bytes.
 */
import { WardenError } from '../errors.ts';

/** No single string inside a message is longer than a frame may be (PROTOCOL.agent: 256 KiB). */
export const MAX_STRING = 256 * 1024;

function malformed(what: string): WardenError {
  return new WardenError('malformed', `malformed SSH data: ${what}`);
}

/** Reads wire types from the front of a buffer; throws WardenError `malformed`. Results are views, not copies. */
export class Reader {
  #offset = 0;
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** Bytes that have not been read. */
  get remaining(): number {
    return this.#data.length - this.#offset;
  }

  /** Bytes that have been read. */
  get offset(): number {
    return this.#offset;
  }

  #take(length: number, what: string): Buffer {
    if (length > this.remaining) throw malformed(`${what} cut short`);
    const view = this.#data.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return view;
  }

  u8(): number {
    return this.#take(1, 'byte').readUInt8(0);
  }

  /** RFC 4251 allows any non-zero value as true. */
  bool(): boolean {
    return this.u8() !== 0;
  }

  u32(): number {
    return this.#take(4, 'uint32').readUInt32BE(0);
  }

  u64(): bigint {
    return this.#take(8, 'uint64').readBigUInt64BE(0);
  }

  /** A length-prefixed string as bytes; at most `max` long. */
  string(max: number = MAX_STRING): Buffer {
    const length = this.u32();
    if (length > max) throw malformed(`string of ${length} bytes, at most ${max} allowed`);
    return this.#take(length, 'string');
  }

  /** A length-prefixed string that must be UTF-8 without NUL, as OpenSSH's sshbuf_get_cstring demands. */
  text(max: number = MAX_STRING): string {
    const bytes = this.string(max);
    if (bytes.includes(0)) throw malformed('NUL inside a text');
    const text = bytes.toString('utf8');
    if (Buffer.byteLength(text, 'utf8') !== bytes.length || !Buffer.from(text, 'utf8').equals(bytes)) {
      throw malformed('text is not UTF-8');
    }
    return text;
  }

  /** Everything that is left. */
  rest(): Buffer {
    return this.#take(this.remaining, 'rest');
  }

  /** Refuses trailing bytes. */
  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} trailing bytes`);
  }
}

/** Collects wire types; `done()` returns them as one buffer. */
export class Writer {
  readonly #parts: Buffer[] = [];

  u8(value: number): this {
    this.#parts.push(Buffer.from([value]));
    return this;
  }

  bool(value: boolean): this {
    return this.u8(value ? 1 : 0);
  }

  u32(value: number): this {
    const part = Buffer.allocUnsafe(4);
    part.writeUInt32BE(value, 0);
    this.#parts.push(part);
    return this;
  }

  u64(value: bigint): this {
    const part = Buffer.allocUnsafe(8);
    part.writeBigUInt64BE(value, 0);
    this.#parts.push(part);
    return this;
  }

  /** Bytes or UTF-8 text with a length in front. */
  string(value: Buffer | string): this {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
    this.u32(bytes.length);
    this.#parts.push(bytes);
    return this;
  }

  /** Bytes without a length. */
  raw(value: Buffer): this {
    this.#parts.push(value);
    return this;
  }

  done(): Buffer {
    return Buffer.concat(this.#parts);
  }
}
