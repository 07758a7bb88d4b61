import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseUserauthRequest } from '../../../src/ssh/userauth.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { encodeLoginData } from '../../support/agent-client.ts';
import { codeOf } from './code-of.ts';

const blob = (maxLength = 64) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const text = (maxLength: number) =>
  fc.string({ unit: 'grapheme', maxLength }).filter((s) => !s.includes('\0'));
const login = fc.record({
  sessionId: blob(),
  user: text(40),
  key: blob(),
  algorithm: text(20),
  hostKey: fc.option(blob(), { nil: undefined }),
});

/** The data of one login, with any part replaced. */
function data(
  parts: Partial<Record<'type' | 'user' | 'service' | 'method' | 'signed' | 'algorithm', Buffer>> = {},
) {
  const { type = Buffer.from([50]), signed = Buffer.from([1]) } = parts;
  const writer = new Writer().string(Buffer.from('session')).raw(type);
  writer.string(parts.user ?? 'root').string(parts.service ?? 'ssh-connection');
  return writer
    .string(parts.method ?? 'publickey')
    .raw(signed)
    .string(parts.algorithm ?? 'ssh-ed25519')
    .string('key')
    .done();
}

test('what is written is read, with and without the host key', () => {
  fc.assert(
    fc.property(login, ({ hostKey, ...rest }) => {
      const written = { ...rest, ...(hostKey === undefined ? {} : { hostKey }) };
      expect(parseUserauthRequest(encodeLoginData(written))).toEqual({ ...rest, hostKey });
    }),
  );
});

test('every truncation and every further byte is refused', () => {
  for (const hostKey of [undefined, Buffer.from('host key')]) {
    const whole = encodeLoginData({
      sessionId: Buffer.from('id'),
      user: 'root',
      key: Buffer.from('k'),
      algorithm: 'a',
      ...(hostKey === undefined ? {} : { hostKey }),
    });
    expect(codeOf(() => parseUserauthRequest(whole))).toBe('accepted');
    for (let end = 0; end < whole.length; end += 1) {
      expect(codeOf(() => parseUserauthRequest(whole.subarray(0, end)))).toBe('malformed');
    }
    expect(codeOf(() => parseUserauthRequest(Buffer.concat([whole, Buffer.from([0])])))).toBe('malformed');
  }
});

describe('everything else is refused', () => {
  test('the frame of these cases is a login', () => {
    expect(parseUserauthRequest(data())).toMatchObject({ user: 'root', algorithm: 'ssh-ed25519' });
  });

  test.each([
    ['another message', { type: Buffer.from([51]) }],
    ['another service', { service: Buffer.from('ssh-userauth') }],
    ['a service that only begins so', { service: Buffer.from('ssh-connection\0') }],
    ['another method', { method: Buffer.from('hostbased') }],
    ['a newer hostbound method', { method: Buffer.from('publickey-hostbound-v01@openssh.com') }],
    ['hostbound without a host key', { method: Buffer.from('publickey-hostbound-v00@openssh.com') }],
    ['a query without a signature', { signed: Buffer.from([0]) }],
    ['a boolean that is neither', { signed: Buffer.from([2]) }],
    ['NUL in the user', { user: Buffer.from('root\0x') }],
    ['a user that is not UTF-8', { user: Buffer.from([0xff]) }],
    ['an endless user', { user: Buffer.alloc(1025, 'a') }],
    ['NUL in the algorithm', { algorithm: Buffer.from('ssh-ed25519\0') }],
  ])('%s', (_, parts) => {
    expect(codeOf(() => parseUserauthRequest(data(parts)))).toBe('malformed');
  });

  test('what ssh-keygen -Y sign has signed (PROTOCOL.sshsig)', () => {
    const body = new Writer().string('file').string('').string('sha512').string(Buffer.alloc(64)).done();
    expect(codeOf(() => parseUserauthRequest(Buffer.concat([Buffer.from('SSHSIG'), body])))).toBe(
      'malformed',
    );
  });

  test('noise', () => {
    fc.assert(
      fc.property(blob(300), (noise) => {
        expect(codeOf(() => parseUserauthRequest(noise))).toBe('malformed');
      }),
    );
  });
});
