/** User certificates put together by hand: what ssh-keygen would never make. */
import { generateKeyPairSync, sign } from 'node:crypto';
import { FOREVER } from '../../../src/ssh/certificate.ts';
import { ed25519PublicBlob } from '../../../src/ssh/public-key.ts';
import { encodeSignature } from '../../../src/ssh/signature.ts';
import { Writer } from '../../../src/ssh/wire.ts';

const ca = generateKeyPairSync('ed25519').privateKey;
const caBlob = ed25519PublicBlob(ca);
export const option = (name: string, data: Buffer): Buffer => new Writer().string(name).string(data).done();
export const text = (value: string): Buffer => new Writer().string(value).done();

export interface Parts {
  readonly type?: string;
  readonly kind?: number;
  readonly keyId?: Buffer | string;
  readonly principals?: readonly string[];
  readonly critical?: readonly Buffer[];
  readonly extensions?: readonly Buffer[];
  readonly authority?: Buffer;
}

/** A certificate with a right signature, whatever stands in it. */
export function build(parts: Parts): Buffer {
  const writer = new Writer()
    .string(parts.type ?? 'ssh-ed25519-cert-v01@openssh.com')
    .string(Buffer.alloc(32, 1))
    .string(Buffer.alloc(32, 2))
    .u64(1n)
    .u32(parts.kind ?? 1)
    .string(parts.keyId ?? 'id')
    .string(Buffer.concat((parts.principals ?? ['a']).map(text)))
    .u64(0n)
    .u64(FOREVER)
    .string(Buffer.concat(parts.critical ?? []))
    .string(Buffer.concat(parts.extensions ?? []))
    .string('')
    .string(parts.authority ?? caBlob);
  const signed = writer.done();
  return new Writer()
    .raw(signed)
    .string(encodeSignature('ssh-ed25519', sign(null, signed, ca)))
    .done();
}
