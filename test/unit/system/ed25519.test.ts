/** Keys by OpenSSL's own functions: node:crypto takes their signatures, and their end is an end. */
import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ed25519Failure, generateEd25519 } from '../../../src/system/ed25519.ts';

describe('a key', () => {
  test('can be made here', () => {
    expect(ed25519Failure()).toBeUndefined();
  });

  test.each([0, 1, 31, 300, 100_000])('signs %i bytes as node:crypto verifies', (length) => {
    const key = generateEd25519();
    const data = Buffer.alloc(length, 7);
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.publicKey.toString('base64url') };
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    const signature = key.sign(data);
    expect(verify(null, data, publicKey, signature)).toBe(true);
    // Deterministic (RFC 8032): the key is as it was.
    expect(key.sign(data)).toEqual(signature);
    expect(verify(null, Buffer.alloc(length + 1), publicKey, signature)).toBe(false);
    key.free();
  });

  test('is never the same twice', () => {
    const keys = Array.from({ length: 50 }, generateEd25519);
    expect(new Set(keys.map(({ publicKey }) => publicKey.toString('hex'))).size).toBe(50);
    for (const key of keys) key.free();
  });

  test('signs nothing once it is freed, and is freed but once', () => {
    const key = generateEd25519();
    key.free();
    key.free();
    expect(() => key.sign(Buffer.from('a login'))).toThrow('the key is gone');
  });
});
