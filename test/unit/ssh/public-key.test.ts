import { createHash, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mpintBody } from '../../../src/ssh/mpint.ts';
import {
  ed25519PublicBlob,
  fingerprint,
  isKeyType,
  KEY_CACHE_LIMIT,
  MAX_LINE,
  parsePublicKey,
  parsePublicKeyLine,
} from '../../../src/ssh/public-key.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { codeOf } from './code-of.ts';
import { KeyDirectory, KINDS, keygen } from './keygen.ts';

const dir = new KeyDirectory();
const lines = new Map<string, string>();
beforeAll(() => {
  for (const kind of KINDS) lines.set(kind, dir.read(`${dir.key(kind)}.pub`));
}, 60_000);
afterAll(() => dir.remove());

function blobOf(kind: string): Buffer {
  return parsePublicKeyLine(lines.get(kind) ?? '').blob;
}

function rsaBlob(e: string, n: Buffer): Buffer {
  return new Writer().string('ssh-rsa').string(Buffer.from(e, 'hex')).string(n).done();
}

describe('parsePublicKey', () => {
  it.each(KINDS)('reads what ssh-keygen made: %s', (kind) => {
    const line = lines.get(kind) ?? '';
    const { type, blob, comment } = parsePublicKeyLine(line);
    const key = parsePublicKey(blob);
    // "256 SHA256:… comment (ED25519)"
    const [bits, print] = keygen(['-lf', dir.write('line.pub', line)]).split(' ');
    expect(String(key.bits)).toBe(bits);
    expect(fingerprint(blob)).toBe(print);
    expect(key.type).toBe(type);
    expect(key.blob.equals(blob)).toBe(true);
    expect(comment).toBe(`${kind} comment`);
    if (kind === 'ed25519') {
      expect(ed25519PublicBlob(key.key).equals(blob)).toBe(true);
    } else {
      // The imported key, written by node, is what ssh-keygen writes (which knows no PKCS8 for ed25519).
      const pem = keygen(['-e', '-m', 'PKCS8', '-f', dir.write('line.pub', line)]);
      expect(key.key.export({ type: 'spki', format: 'pem' })).toBe(pem);
    }
  });

  it('gives the same object again for the same blob, and forgets the least recently used', () => {
    const blob = blobOf('ed25519');
    const first = parsePublicKey(blob);
    expect(parsePublicKey(Buffer.from(blob))).toBe(first);
    const flood = (count: number, keep: boolean): void => {
      for (let i = 0; i < count; i++) {
        const seed = createHash('sha256').update(String(i)).digest();
        parsePublicKey(new Writer().string('ssh-ed25519').string(seed).done());
        if (keep) parsePublicKey(blob);
      }
    };
    flood(2 * KEY_CACHE_LIMIT, true);
    expect(parsePublicKey(blob)).toBe(first);
    flood(KEY_CACHE_LIMIT, false);
    expect(parsePublicKey(blob)).not.toBe(first);
  });

  it('does not follow later changes of the buffer that it was given', () => {
    const blob = Buffer.from(blobOf('ecdsa256'));
    const key = parsePublicKey(blob);
    blob.fill(0);
    expect(key.blob.equals(blobOf('ecdsa256'))).toBe(true);
  });

  it.each(KINDS)('refuses every truncation and every trailing byte: %s', (kind) => {
    const blob = blobOf(kind);
    for (let length = 0; length < blob.length; length++) {
      expect(['malformed', 'bad_key']).toContain(codeOf(() => parsePublicKey(blob.subarray(0, length))));
    }
    expect(codeOf(() => parsePublicKey(Buffer.concat([blob, Buffer.from([0])])))).toBe('malformed');
  });

  it('refuses numbers that are not canonical, weak or impossible', () => {
    const modulus = Buffer.alloc(256, 0xff);
    const good = mpintBody(modulus);
    expect(codeOf(() => parsePublicKey(rsaBlob('010001', good)))).toBe('accepted');
    expect(codeOf(() => parsePublicKey(rsaBlob('00010001', good)))).toBe('malformed');
    expect(codeOf(() => parsePublicKey(rsaBlob('010001', modulus)))).toBe('malformed');
    expect(codeOf(() => parsePublicKey(rsaBlob('', good)))).toBe('malformed');
    expect(codeOf(() => parsePublicKey(rsaBlob('01', good)))).toBe('malformed');
    expect(codeOf(() => parsePublicKey(rsaBlob('010000', good)))).toBe('malformed');
    expect(codeOf(() => parsePublicKey(rsaBlob('010001', mpintBody(Buffer.alloc(127, 0xff)))))).toBe(
      'bad_key',
    );
    expect(codeOf(() => parsePublicKey(rsaBlob('010001', mpintBody(Buffer.alloc(2048, 0xff)))))).toBe(
      'accepted',
    );
    expect(codeOf(() => parsePublicKey(rsaBlob('010001', mpintBody(Buffer.alloc(2049, 0xff)))))).toBe(
      'malformed',
    );
  });

  it('refuses points off the curve, compressed points, the wrong curve and short keys', () => {
    const ec = (curve: string, point: Buffer): Buffer =>
      new Writer().string('ecdsa-sha2-nistp256').string(curve).string(point).done();
    const point = blobOf('ecdsa256').subarray(-65);
    expect(codeOf(() => parsePublicKey(ec('nistp256', point)))).toBe('accepted');
    expect(codeOf(() => parsePublicKey(ec('nistp384', point)))).toBe('malformed');
    const off = Buffer.from(point);
    off[64] = (off[64] ?? 0) ^ 1;
    expect(codeOf(() => parsePublicKey(ec('nistp256', off)))).toBe('malformed');
    const compressed = Buffer.concat([Buffer.from([2]), point.subarray(1, 33)]);
    expect(codeOf(() => parsePublicKey(ec('nistp256', compressed)))).toBe('malformed');
    const short = new Writer().string('ssh-ed25519').string(Buffer.alloc(31)).done();
    expect(() => parsePublicKey(short)).toThrow('malformed public key: an ed25519 key has 32 bytes, not 31');
  });

  it('refuses types that it does not know, certificates among them', () => {
    const bytes = Buffer.alloc(32, 1);
    for (const type of ['ssh-dss', 'ssh-ed448', 'ssh-ed25519-cert-v01@openssh.com', 'rsa-sha2-256', '']) {
      expect(codeOf(() => parsePublicKey(new Writer().string(type).string(bytes).done()))).toBe('bad_key');
      expect(isKeyType(type)).toBe(false);
    }
    expect(isKeyType('ssh-ed25519')).toBe(true);
  });

  it('never throws anything but a WardenError', () => {
    const types = fc.constantFrom(
      'ssh-ed25519',
      'ssh-rsa',
      'ecdsa-sha2-nistp521',
      'sk-ssh-ed25519@openssh.com',
    );
    fc.assert(
      fc.property(types, fc.array(fc.uint8Array({ maxLength: 140 }), { maxLength: 4 }), (type, fields) => {
        const writer = new Writer().string(type);
        for (const field of fields) writer.string(Buffer.from(field));
        expect(codeOf(() => parsePublicKey(writer.done()))).not.toContain('not a WardenError');
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(codeOf(() => parsePublicKey(Buffer.from(bytes)))).toMatch(/^(malformed|bad_key)$/);
      }),
    );
  });
});

describe('parsePublicKeyLine', () => {
  const base64 = (): string => blobOf('ed25519').toString('base64');

  it('takes a line with or without comment and newline', () => {
    for (const tail of ['', '\n', '\r\n', ' ', ' a comment  with spaces', ' a comment  with spaces \r\n']) {
      const line = parsePublicKeyLine(`ssh-ed25519 ${base64()}${tail}`);
      expect(line.blob.equals(blobOf('ed25519'))).toBe(true);
      expect(line.comment).toBe(tail.includes('comment') ? 'a comment  with spaces' : '');
    }
  });

  it('refuses a second line, options, another type than the blob has, and loose base64', () => {
    for (const text of [
      '',
      'ssh-ed25519',
      `ssh-ed25519 ${base64()}\nssh-ed25519 ${base64()}`,
      `ssh-ed25519 ${base64()}\n\n`,
      `no-pty ssh-ed25519 ${base64()}`,
      `ssh-rsa ${base64()}`,
      `ssh-ed25519 ${base64()}=`,
      `ssh-ed25519 ${base64().slice(0, 40)}*${base64().slice(40)}`,
      `ssh-ed25519 ${base64()} nul\0`,
      'ssh-ed25519 AAAA',
    ]) {
      expect(codeOf(() => parsePublicKeyLine(text))).toBe('malformed');
    }
    expect(codeOf(() => parsePublicKeyLine(`ssh-ed25519 ${base64()} ${'x'.repeat(MAX_LINE)}`))).toBe(
      'limit_exceeded',
    );
  });

  it('never throws anything but a WardenError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        const code = codeOf(() => parsePublicKeyLine(text));
        expect(code).toBe('malformed');
        expect(codeOf(() => parsePublicKeyLine(`ssh-ed25519 ${text}`))).not.toContain('not a WardenError');
      }),
    );
  });
});

describe('ed25519PublicBlob', () => {
  it('is the same from the private and the public key, and reads back', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const blob = ed25519PublicBlob(privateKey);
    expect(ed25519PublicBlob(publicKey).equals(blob)).toBe(true);
    expect(parsePublicKey(blob).key.equals(publicKey)).toBe(true);
  });

  it('refuses other keys', () => {
    expect(
      codeOf(() => ed25519PublicBlob(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
    ).toBe('bad_key');
    expect(codeOf(() => ed25519PublicBlob(generateKeyPairSync('ed448').publicKey))).toBe('bad_key');
  });
});
