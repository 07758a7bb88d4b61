/**
 * A security key in software: PROTOCOL.u2f's keys and signatures, made with node. Real ones need hardware;
 * ssh-keygen still verifies what this makes, so it is the oracle here too.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mpintBody } from '../../../src/ssh/mpint.ts';
import { Writer } from '../../../src/ssh/wire.ts';

export interface SecurityKey {
  readonly type: string;
  readonly blob: Buffer;
  readonly key: KeyObject;
}

const APPLICATION = 'ssh:';

export function securityKey(kind: 'ed25519' | 'ecdsa'): SecurityKey {
  if (kind === 'ed25519') {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const type = 'sk-ssh-ed25519@openssh.com';
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    return {
      type,
      key: privateKey,
      blob: new Writer().string(type).string(point).string(APPLICATION).done(),
    };
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
  const writer = new Writer().string(type).string('nistp256').string(point).string(APPLICATION);
  return { type, key: privateKey, blob: writer.done() };
}

/** ECDSA's r and s as RFC 5656's two mpints. */
export function ecdsaBody(raw: Buffer): Buffer {
  const half = raw.length / 2;
  return new Writer()
    .string(mpintBody(raw.subarray(0, half)))
    .string(mpintBody(raw.subarray(half)))
    .done();
}

/** Flags 1: touched. */
export function securityKeySign({ type, key }: SecurityKey, data: Buffer, flags = 1, counter = 7): Buffer {
  const signed = new Writer()
    .raw(createHash('sha256').update(APPLICATION).digest())
    .u8(flags)
    .u32(counter)
    .raw(createHash('sha256').update(data).digest())
    .done();
  const body =
    key.asymmetricKeyType === 'ed25519'
      ? sign(null, signed, key)
      : ecdsaBody(sign('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }));
  return new Writer().string(type).string(body).u8(flags).u32(counter).done();
}
