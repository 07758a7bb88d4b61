/** Answers that are taken, answers that are refused, and the same in whatever pieces; what is taken is what Node's own parser takes. */
import { type IncomingMessage, request } from 'node:http';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { AnswerReader, type HttpAnswer, NotHttp, TooLarge } from '../../../src/http/answer.ts';

const MAX_BODY = 1_000;

/** The answer in pieces of `size` bytes, then the end of the connection. */
function read(text: string, size: number): HttpAnswer | undefined {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new AnswerReader(MAX_BODY);
  for (let at = 0; at < bytes.length; at += size) {
    const answer = reader.push(bytes.subarray(at, at + size));
    if (answer !== undefined) return answer;
  }
  return reader.end();
}

/** What node:http makes of the same bytes. */
function byNode(
  text: string,
): Promise<{ status: number; body: string; headers: IncomingMessage['headers'] }> {
  const socket = new Duplex({
    read: () => undefined,
    write(_chunk, _encoding, done) {
      done();
      this.push(Buffer.from(text, 'latin1'));
      this.push(null);
    },
  });
  return new Promise((resolve, reject) => {
    const asked = request({ host: 'bao', createConnection: () => socket }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const body = Buffer.concat(chunks).toString('latin1');
        resolve({ status: answer.statusCode ?? 0, body, headers: answer.headers });
      });
    });
    asked.on('error', reject);
    asked.end();
  });
}

const OPENBAO =
  'HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Type: application/json\r\nDate: Wed, 26 Nov 2025 21:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}';

describe('an answer', () => {
  test.each([
    ['of OpenBao', OPENBAO, '{}', true],
    [
      'in chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n3;x=y\r\na":\r\n002\r\n1}\r\n0\r\n\r\n',
      '{"a":1}',
      true,
    ],
    [
      'in chunks, with trailers',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\nX: y\r\nZ:\r\n\r\n',
      '0123456789',
      true,
    ],
    ['up to the end', 'HTTP/1.1 200 OK\r\n\r\nto the end', 'to the end', false],
    ['that closes', 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx', 'x', false],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', 'x', false],
    ['without a reason', 'HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n', '', true],
    ['without a body', 'HTTP/1.1 204 No Content\r\n\r\n', '', true],
    ['after an interim one', `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OPENBAO}`, '{}', true],
    ['with blanks around a value', 'HTTP/1.1 200 OK\r\nContent-Length: \t 2 \r\n\r\n{}', '{}', true],
  ])('%s is taken, in one piece and byte by byte, as Node takes it', async (_name, text, body, reusable) => {
    const whole = read(text, text.length);
    expect(whole?.body.toString('latin1')).toBe(body);
    expect(whole?.reusable).toBe(reusable);
    for (const size of [1, 2, 7, 64]) expect(read(text, size)).toEqual(whole);
    const node = await byNode(text);
    expect({ status: whole?.status, body }).toEqual({ status: node.status, body: node.body });
    expect({ ...whole?.headers }).toMatchObject({ ...node.headers });
  });

  test('has fields that are called like members of an object', () => {
    const answer = read(
      'HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\nContent-Length: 0\r\n\r\n',
      1_000,
    );
    expect(Object.entries(answer?.headers ?? {})).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['content-length', '0'],
    ]);
  });

  test('with bytes behind it leaves no connection to go on with', () => {
    expect(read(`${OPENBAO}HTTP/1.1 200 OK\r\n`, 1_000)?.reusable).toBe(false);
  });
});

describe('refused, in one piece and byte by byte', () => {
  const head = 'HTTP/1.1 200 OK\r\n';
  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a field without a colon', `${head}Content-Length\r\n\r\n`],
    ['a blank before the colon', `${head}Content-Length : 1\r\n\r\nx`],
    ['a folded line', `${head}A: b\r\n c\r\n\r\n`],
    ['a bare LF', `${head}A: b\nContent-Length: 1\r\n\r\nx`],
    ['a bare CR', `${head}A: b\rc\r\n\r\n`],
    ['a NUL', `${head}A: b\0\r\n\r\n`],
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
    ['the same length twice', `${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`],
    ['a negative length', `${head}Content-Length: -1\r\n\r\n`],
    ['a length in hex', `${head}Content-Length: 0x1\r\n\r\nx`],
    ['a length and chunks', `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['another coding', `${head}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunks twice', `${head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a chunk without a size', `${head}Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n`],
    ['a chunk that goes on', `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n`],
    ['a trailer that is none', `${head}Transfer-Encoding: chunked\r\n\r\n0\r\nx\r\n\r\n`],
    ['a head without an end', `${head}A: ${'b'.repeat(20_000)}`],
    ['a chunk line without an end', `${head}Transfer-Encoding: chunked\r\n\r\n1;${'b'.repeat(300)}`],
    ['trailers without an end', `${head}Transfer-Encoding: chunked\r\n\r\n0\r\n${'A: b\r\n'.repeat(4_000)}`],
  ])('%s', (_name, text) => {
    expect(() => read(text, text.length)).toThrow(NotHttp);
    expect(() => read(text, 1)).toThrow(NotHttp);
  });

  test.each([
    ['with its length', `${head}Content-Length: ${MAX_BODY + 1}\r\n\r\n`],
    ['without one', `${head}\r\n${'x'.repeat(MAX_BODY + 1)}`],
    ['in one chunk', `${head}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n`],
    ['in many', `${head}Transfer-Encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(MAX_BODY + 1)}`],
  ])('a body of a byte too many, %s', (_name, text) => {
    expect(() => read(text, text.length)).toThrow(TooLarge);
    expect(() => read(text, 1)).toThrow(TooLarge);
  });

  test.each([
    ['nothing', ''],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-'],
    ['half a body', `${head}Content-Length: 10\r\n\r\n{"a"`],
    ['half a chunk', `${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a`],
    ['no last chunk', `${head}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`],
  ])('cut short: %s', (_name, text) => {
    expect(read(text, 1_000)).toBeUndefined();
  });
});
