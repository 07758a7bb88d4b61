/** Keys in memory: they sign once, show nothing of themselves, and a dropped one is gone. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { FreshKey } from '../../../../agent/keystore/fresh-key.ts';
import { parsePublicKey } from '../../../../src/ssh/public-key.ts';
import { verifySignature } from '../../../../src/ssh/signature.ts';

describe('a fresh key', () => {
  const data = Buffer.from('a login');

  test('signs once', () => {
    const key = new FreshKey();
    const signature = key.signOnce(data);
    expect(verifySignature(parsePublicKey(key.publicKey), data, signature)).toBe(true);
    expect(key.alive).toBe(false);
    expect(() => key.signOnce(data)).toThrow('the key is gone');
  });

  test('signs nothing once it is dropped', () => {
    const key = new FreshKey();
    expect(key.alive).toBe(true);
    key.drop();
    expect(key.alive).toBe(false);
    expect(() => key.signOnce(data)).toThrow('the key is gone');
  });

  test('is another one each time', () => {
    const keys = Array.from({ length: 20 }, () => new FreshKey().publicKey.toString('hex'));
    expect(new Set(keys).size).toBe(20);
  });

  test('shows only its public half, however it is printed', () => {
    const key = new FreshKey();
    const shown = { publicKey: key.publicKey };
    expect(JSON.parse(JSON.stringify(key))).toEqual(JSON.parse(JSON.stringify(shown)));
    expect(inspect(key, { depth: 9, showHidden: true })).not.toMatch(/pointer|External/);
    expect(Object.keys({ ...key })).toEqual(['publicKey']);
  });
});
