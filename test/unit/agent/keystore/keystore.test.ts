/** Keys in memory: they sign once, show nothing of themselves, and a dropped one is collected. */
import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { FreshKey } from '../../../../agent/keystore/fresh-key.ts';
import { createWiper, WIPE_DELAY_MS } from '../../../../agent/keystore/wipe.ts';
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
    expect(inspect(key, { depth: 9, showHidden: true })).not.toContain('KeyObject');
    expect(Object.keys({ ...key })).toEqual(['publicKey']);
  });
});

describe('the wiper', () => {
  /** A KeyObject that nobody holds. */
  function droppedKey(): WeakRef<object> {
    return new WeakRef(generateKeyPairSync('ed25519').privateKey);
  }

  test('has dropped keys collected within a second, and only when one was dropped', async () => {
    const wiper = createWiper();
    const key = droppedKey();
    await sleep(WIPE_DELAY_MS + 100);
    // The control: nothing collects it by itself.
    expect(key.deref()).toBeDefined();
    wiper.dropped();
    wiper.dropped();
    await sleep(WIPE_DELAY_MS + 200);
    expect(key.deref()).toBeUndefined();
  });

  test('collects at once when it is closed, if there is something', async () => {
    const wiper = createWiper();
    const key = droppedKey();
    await sleep(10);
    wiper.close();
    await sleep(10);
    expect(key.deref()).toBeDefined();
    await sleep(10);
    wiper.dropped();
    wiper.close();
    await sleep(10);
    expect(key.deref()).toBeUndefined();
  });

  test('leaves no collector behind for others to call', () => {
    createWiper();
    expect('gc' in globalThis).toBe(false);
  });
});
