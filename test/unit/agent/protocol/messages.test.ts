/** Messages: what is written is read, nothing crashes the parsers, and no trailing byte is accepted. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeIdentities,
  encodeQueryAnswer,
  encodeSignResponse,
  isListRequest,
  MAX_IDENTITIES,
  MAX_SESSION_ID,
  MESSAGE,
  parseExtensionName,
  parseIdentities,
  parseSessionBind,
  parseSignRequest,
  SESSION_BIND,
} from '../../../../agent/protocol/messages.ts';
import { Reader, Writer } from '../../../../src/ssh/wire.ts';
import { encodeBind, encodeSignRequest, LIST } from '../../../support/agent-client.ts';
import { codeOf } from '../../ssh/code-of.ts';

const bytes = (maxLength = 300, minLength = 0) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array));
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const comment = fc.string({ unit: 'grapheme', maxLength: 40 });
const bind = fc.record({
  hostKey: bytes(),
  sessionId: bytes(MAX_SESSION_ID, 1),
  signature: bytes(),
  forwarded: fc.boolean(),
});

/** What each parser makes of a message, and a message that it takes. */
const PARSERS: ReadonlyArray<readonly [string, (message: Buffer) => unknown, fc.Arbitrary<Buffer>]> = [
  [
    'parseSignRequest',
    parseSignRequest,
    fc
      .record({ key: bytes(), data: bytes(), flags: u32 })
      .map(({ key, data, flags }) => encodeSignRequest(key, data, flags)),
  ],
  ['parseSessionBind', parseSessionBind, bind.map(({ forwarded, ...rest }) => encodeBind(rest, forwarded))],
  [
    'parseIdentities',
    parseIdentities,
    fc.array(fc.record({ blob: bytes(), comment }), { maxLength: 8 }).map(encodeIdentities),
  ],
];

describe.each(PARSERS)('%s', (_name, parse, whole) => {
  test('takes no message with a byte more or with any less', () => {
    fc.assert(
      fc.property(whole, bytes(5, 1), fc.nat(), (message, more, at) => {
        expect(codeOf(() => parse(message))).toBe('accepted');
        expect(codeOf(() => parse(Buffer.concat([message, more])))).toBe('malformed');
        expect(codeOf(() => parse(message.subarray(0, at % message.length)))).toBe('malformed');
      }),
    );
  });

  test('takes a message with any byte changed or refuses it as malformed, and does nothing else', () => {
    fc.assert(
      fc.property(whole, fc.nat(), fc.nat(255), (message, at, value) => {
        const changed = Buffer.from(message);
        changed.writeUInt8(value, at % changed.length);
        expect(['accepted', 'malformed', 'limit_exceeded']).toContain(codeOf(() => parse(changed)));
      }),
    );
  });

  test('no bytes at all crash it', () => {
    fc.assert(
      fc.property(bytes(400), (message) => {
        expect(['accepted', 'malformed', 'limit_exceeded']).toContain(codeOf(() => parse(message)));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what is written is read', () => {
  test('sign requests, with every flag', () => {
    fc.assert(
      fc.property(bytes(), bytes(), u32, (key, data, flags) => {
        expect(parseSignRequest(encodeSignRequest(key, data, flags))).toEqual({ key, data, flags });
      }),
    );
  });

  test('binds', () => {
    fc.assert(
      fc.property(bind, ({ forwarded, ...rest }) => {
        expect(parseSessionBind(encodeBind(rest, forwarded))).toEqual({ ...rest, forwarded });
      }),
    );
  });

  test('lists', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ blob: bytes(), comment }), { maxLength: 8 }), (identities) => {
        expect(parseIdentities(encodeIdentities(identities))).toEqual(identities);
      }),
    );
  });

  test('the answers that only clients read', () => {
    const signed = new Reader(encodeSignResponse(Buffer.from('signature')));
    expect([signed.u8(), signed.string().toString(), signed.remaining]).toEqual([14, 'signature', 0]);
    const query = new Reader(encodeQueryAnswer(['query', SESSION_BIND]));
    expect([query.u8(), query.text(), query.text(), query.text(), query.remaining]).toEqual([
      29,
      'query',
      'query',
      SESSION_BIND,
      0,
    ]);
  });
});

describe('limits', () => {
  test('a session id has 1 to 128 bytes', () => {
    const of = (length: number) =>
      encodeBind({
        hostKey: Buffer.alloc(1),
        sessionId: Buffer.alloc(length, 7),
        signature: Buffer.alloc(1),
      });
    expect([0, 1, 128, 129].map((length) => codeOf(() => parseSessionBind(of(length))))).toEqual([
      'malformed',
      'accepted',
      'accepted',
      'malformed',
    ]);
  });

  test('a list has at most 2,048 identities, and as many as it says', () => {
    const of = (count: number) =>
      Array.from({ length: count }, () => ({ blob: Buffer.alloc(1), comment: '' }));
    expect(parseIdentities(encodeIdentities(of(MAX_IDENTITIES)))).toHaveLength(MAX_IDENTITIES);
    expect(codeOf(() => parseIdentities(encodeIdentities(of(MAX_IDENTITIES + 1))))).toBe('limit_exceeded');
    const liar = new Writer().u8(MESSAGE.identitiesAnswer).u32(2).string('one').string('').done();
    expect(codeOf(() => parseIdentities(liar))).toBe('malformed');
  });

  test('an extension has a name of at most 256 bytes, without NUL', () => {
    const named = (name: string) => new Writer().u8(MESSAGE.extension).string(name).done();
    expect(parseExtensionName(named('x'.repeat(256)))).toHaveLength(256);
    expect(parseExtensionName(Buffer.concat([named('restrict'), Buffer.from('anything')]))).toBe('restrict');
    expect(codeOf(() => parseExtensionName(named('x'.repeat(257))))).toBe('malformed');
    expect(codeOf(() => parseExtensionName(named('query\0')))).toBe('malformed');
    expect(codeOf(() => parseExtensionName(Buffer.from([27])))).toBe('malformed');
  });

  test('a list request is one byte', () => {
    expect(isListRequest(LIST)).toBe(true);
    expect(isListRequest(Buffer.from([11, 0]))).toBe(false);
    expect(isListRequest(Buffer.from([12]))).toBe(false);
    expect(isListRequest(Buffer.alloc(0))).toBe(false);
  });
});
