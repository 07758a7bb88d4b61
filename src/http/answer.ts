/**
 * One HTTP/1.1 answer out of the bytes of a connection (RFC 9112): status line, header fields, a body with a length, in chunks or up to
 * the end. Read strictly, for what can be read in two ways can be made to smuggle: no folded lines, no bare CR or LF, no second
 * length, no coding but `chunked`. Interim answers (1xx) are passed over, trailers are read and dropped. It is the answer to a GET
 * or a POST. Left out: HTTP/2, compression, upgrades.
 */

/** Bytes of status line and header fields, and again of trailers; as Node's own parser allows. */
const MAX_HEAD = 16 * 1024;
/** A chunk's size in hex, with extensions. */
const MAX_CHUNK_LINE = 256;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const CHUNK_LINE = /^([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; a field that comes twice has its values joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Whether another request may be sent on the connection. */
  readonly reusable: boolean;
}

/** The bytes are no HTTP answer. */
export class NotHttp extends Error {}
/** The body is larger than may be. */
export class TooLarge extends Error {}

interface Head {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly keepAlive: boolean;
  readonly body: 'chunked' | 'to the end' | number;
}

/** How long the body is (RFC 9112 section 6.3). */
function bodyOf(status: number, headers: Readonly<Record<string, string>>): Head['body'] {
  const { 'transfer-encoding': coding, 'content-length': length } = headers;
  if (coding !== undefined && (length !== undefined || coding.toLowerCase() !== 'chunked'))
    throw new NotHttp('a transfer coding that is not just "chunked"');
  if (status === 204 || status === 304) return 0;
  if (coding !== undefined) return 'chunked';
  if (length === undefined) return 'to the end';
  if (!/^\d{1,15}$/.test(length)) throw new NotHttp('a length that is no number');
  return Number(length);
}

function parseHead(text: string): Head {
  const [first = '', ...lines] = text.split('\r\n');
  const [, minor, status = ''] = STATUS_LINE.exec(first) ?? [];
  if (minor === undefined) throw new NotHttp('no HTTP/1.1 status line');
  // Without a prototype: a field may be called anything.
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [, field, value = ''] = FIELD.exec(line) ?? [];
    if (field === undefined) throw new NotHttp('a line that is no header field');
    const name = field.toLowerCase();
    const before = headers[name];
    headers[name] = before === undefined ? value.trimEnd() : `${before}, ${value.trimEnd()}`;
  }
  const connection = (headers['connection'] ?? '').toLowerCase();
  const keepAlive = minor === '1' ? !connection.includes('close') : connection.includes('keep-alive');
  return { status: Number(status), headers, keepAlive, body: bodyOf(Number(status), headers) };
}

/** Takes the bytes of one answer as they come. A body has at most `maxBody` bytes. */
export class AnswerReader {
  readonly #maxBody: number;
  /** What has come and was not looked at: put together only when there is enough of it. */
  #waiting: Buffer[] = [];
  #waitingSize = 0;
  /** So many bytes must be there before it is worth looking again. */
  #need = 1;
  #bytes: Buffer = Buffer.alloc(0);
  #head: Head | undefined;
  /** Of a body in chunks: the data of those that are whole. */
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #trailers: number | undefined;

  constructor(maxBody: number) {
    this.#maxBody = maxBody;
  }

  /** The answer, once it is whole. Throws NotHttp, TooLarge: then the connection can't go on. */
  push(chunk: Buffer): HttpAnswer | undefined {
    this.#waiting.push(chunk);
    this.#waitingSize += chunk.length;
    if (this.#waitingSize < this.#need) return undefined;
    this.#bytes = this.#waiting.length === 1 ? chunk : Buffer.concat(this.#waiting);
    this.#need = 0;
    const answer = this.#read();
    this.#need = Math.max(this.#need, this.#bytes.length + 1);
    this.#waiting = [this.#bytes];
    this.#waitingSize = this.#bytes.length;
    return answer;
  }

  /** The answer, where the end of the connection is the end of its body. */
  end(): HttpAnswer | undefined {
    return this.#head?.body === 'to the end'
      ? this.#answer(this.#head, Buffer.concat(this.#waiting))
      : undefined;
  }

  #read(): HttpAnswer | undefined {
    const head = this.#readHead();
    if (head === undefined) return undefined;
    if (head.body === 'chunked') return this.#readChunks(head);
    const length = head.body === 'to the end' ? this.#bytes.length : head.body;
    if (length > this.#maxBody) throw new TooLarge();
    this.#need = head.body === 'to the end' ? this.#maxBody + 1 : length;
    if (head.body === 'to the end' || this.#bytes.length < length) return undefined;
    return this.#answer(head, this.#take(length));
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  /** Takes the bytes up to `end` and that too; undefined where they are not all there. */
  #takeThrough(end: string, max: number): string | undefined {
    const at = this.#bytes.subarray(0, max + end.length).indexOf(end, 0, 'latin1');
    if (at < 0 && this.#bytes.length >= max + end.length)
      throw new NotHttp('a line or head that is too long');
    if (at < 0) return undefined;
    const text = this.#bytes.toString('latin1', 0, at);
    this.#take(at + end.length);
    return text;
  }

  #readHead(): Head | undefined {
    while (this.#head === undefined) {
      const text = this.#takeThrough('\r\n\r\n', MAX_HEAD);
      if (text === undefined) return undefined;
      const head = parseHead(text);
      if (head.status >= 200) this.#head = head;
    }
    return this.#head;
  }

  #readChunks(head: Head): HttpAnswer | undefined {
    while (this.#trailers === undefined) {
      const before = this.#bytes;
      const line = this.#takeThrough('\r\n', MAX_CHUNK_LINE);
      if (line === undefined) return undefined;
      const [, hex] = CHUNK_LINE.exec(line) ?? [];
      if (hex === undefined) throw new NotHttp('a chunk without a size');
      const size = Number.parseInt(hex, 16);
      this.#size += size;
      if (this.#size > this.#maxBody) throw new TooLarge();
      if (size === 0) this.#trailers = 0;
      else if (this.#bytes.length < size + 2) {
        this.#size -= size;
        this.#bytes = before;
        this.#need = line.length + 2 + size + 2;
        return undefined;
      } else {
        this.#chunks.push(this.#take(size));
        if (this.#take(2).toString('latin1') !== '\r\n') throw new NotHttp('a chunk that is not ended');
      }
    }
    return this.#readTrailers(head, this.#trailers);
  }

  #readTrailers(head: Head, before: number): HttpAnswer | undefined {
    for (let size = before; ; this.#trailers = size) {
      const line = this.#takeThrough('\r\n', MAX_HEAD - size);
      if (line === undefined) return undefined;
      if (line === '') return this.#answer(head, Buffer.concat(this.#chunks));
      if (!FIELD.test(line)) throw new NotHttp('a line that is no trailer');
      size = Math.min(MAX_HEAD, size + line.length + 2);
    }
  }

  #answer(head: Head, body: Buffer): HttpAnswer {
    const { status, headers, keepAlive } = head;
    // Bytes behind an answer belong to no request: nobody knows what the next answer would be.
    const reusable = keepAlive && head.body !== 'to the end' && this.#bytes.length === 0;
    return { status, headers, body, reusable };
  }
}
