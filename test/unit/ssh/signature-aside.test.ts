/** Verification on another thread says what verification on this one says, and lets quick keys pass. */
import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parsePublicKey } from '../../../src/ssh/public-key.ts';
import { verifySignature, verifySignatureAside } from '../../../src/ssh/signature.ts';
import { newHostKey } from '../../support/binds.ts';
import { publicBlob, signBlob } from '../../support/keys.ts';

const TYPES = ['ed25519', 'ecdsa256', 'ecdsa384', 'ecdsa521', 'rsa'] as const;
const data = randomBytes(32);

/** A key with its signature over `data`. */
function signed(type: (typeof TYPES)[number]) {
  const key = newHostKey(type);
  return { key: parsePublicKey(publicBlob(key)), signature: signBlob(key, data) };
}

describe.each(TYPES)('%s', (type) => {
  const { key, signature } = signed(type);

  test.each([
    ['right', data, signature],
    ['over other data', randomBytes(32), signature],
    ["another key's", data, signed(type).signature],
    ['cut short', data, signature.subarray(0, -1)],
    ['empty', data, Buffer.alloc(0)],
    ['followed by a byte', data, Buffer.concat([signature, Buffer.from([0])])],
    ['of another type', data, signed(type === 'rsa' ? 'ecdsa521' : 'rsa').signature],
  ])('%s', async (name, over, blob) => {
    const holds = await verifySignatureAside(key, over, blob);
    expect(holds).toBe(name === 'right');
    expect(verifySignature(key, over, blob)).toBe(holds);
  });
});

test('quick keys pass those that are not, which are answered in their order', async () => {
  const slow = signed('ecdsa521');
  const quick = signed('ed25519');
  const order: string[] = [];
  const asked = (name: string, { key, signature }: typeof slow) =>
    verifySignatureAside(key, data, signature).then(() => order.push(name));
  await Promise.all([
    asked('first', slow),
    asked('second', slow),
    asked('third', slow),
    asked('quick', quick),
  ]);
  expect(order).toEqual(['quick', 'first', 'second', 'third']);
});
