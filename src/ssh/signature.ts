/**
 * SSH signature blobs, `string algorithm, string signature`: RFC 8332 (rsa-sha2-*), RFC 5656 section 3.1.2 (ECDSA),
 * RFC 8709 section 6 (ed25519), OpenSSH's PROTOCOL.u2f (sk-*: flags and counter follow).
 * Left out on purpose: ssh-rsa (SHA-1), webauthn signatures, certificate algorithm names (they name no signature).
 */
import { createHash, type KeyObject, verify } from 'node:crypto';
import { readPositiveMpint } from './mpint.ts';
import type { PublicKey } from './public-key.ts';
import { Reader, Writer } from './wire.ts';

interface Scheme {
  readonly keyType: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** Bytes of r and of s; set for ECDSA. */
  readonly coordinate?: number;
}

/** Every algorithm that is accepted, with the one key type that may make it. */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map<string, Scheme>([
  ['ssh-ed25519', { keyType: 'ssh-ed25519', hash: null }],
  ['rsa-sha2-256', { keyType: 'ssh-rsa', hash: 'sha256' }],
  ['rsa-sha2-512', { keyType: 'ssh-rsa', hash: 'sha512' }],
  ['ecdsa-sha2-nistp256', { keyType: 'ecdsa-sha2-nistp256', hash: 'sha256', coordinate: 32 }],
  ['ecdsa-sha2-nistp384', { keyType: 'ecdsa-sha2-nistp384', hash: 'sha384', coordinate: 48 }],
  ['ecdsa-sha2-nistp521', { keyType: 'ecdsa-sha2-nistp521', hash: 'sha512', coordinate: 66 }],
  ['sk-ssh-ed25519@openssh.com', { keyType: 'sk-ssh-ed25519@openssh.com', hash: null }],
  [
    'sk-ecdsa-sha2-nistp256@openssh.com',
    { keyType: 'sk-ecdsa-sha2-nistp256@openssh.com', hash: 'sha256', coordinate: 32 },
  ],
]);

/** Fits RSA's 16384 bits. */
const MAX_SIGNATURE = 2048;

/** What node:crypto's `verify` is given. */
interface Question {
  readonly hash: Scheme['hash'];
  readonly data: Buffer;
  readonly key: KeyObject | { readonly key: KeyObject; readonly dsaEncoding: 'ieee-p1363' };
  readonly signature: Buffer;
}

/** Undefined for an algorithm that is unknown, not the key's or not allowed. Throws for what is malformed. */
function questionOf(
  key: PublicKey,
  data: Buffer,
  signature: Buffer,
  allowed: readonly string[] | undefined,
): Question | undefined {
  const reader = new Reader(signature);
  const algorithm = reader.text(64);
  const scheme = SCHEMES.get(algorithm);
  if (scheme === undefined || scheme.keyType !== key.type) return undefined;
  if (allowed !== undefined && !allowed.includes(algorithm)) return undefined;
  const body = reader.string(MAX_SIGNATURE);
  const signed = key.application === undefined ? data : securityKeyData(key.application, data, reader);
  reader.end();
  const { hash, coordinate } = scheme;
  if (coordinate !== undefined) {
    const input = { key: key.key, dsaEncoding: 'ieee-p1363' } as const;
    return { hash, data: signed, key: input, signature: ecdsaRaw(body, coordinate) };
  }
  const raw = scheme.keyType === 'ssh-rsa' ? padded(body, key.key) : body;
  return { hash, data: signed, key: key.key, signature: raw };
}

/**
 * Whether `signature` (the whole SSH blob) is `key`'s over `data`, with an algorithm of the key's type and, where
 * `allowed` is given, one that it names. Never throws: whatever is malformed, unknown or not allowed is `false`.
 * For sk-* keys the flags (touch, PIN) are covered by the signature but not demanded, as in OpenSSH's sshkey_verify.
 */
export function verifySignature(
  key: PublicKey,
  data: Buffer,
  signature: Buffer,
  allowed?: readonly string[],
): boolean {
  try {
    const question = questionOf(key, data, signature, allowed);
    return question !== undefined && verify(question.hash, question.data, question.key, question.signature);
  } catch {
    // A Reader's complaint, or OpenSSL's about numbers that no key can have: either way not a signature.
    return false;
  }
}

/** A tenth or two of a millisecond each. P-384 takes 1 ms, P-521 3 ms, an RSA key whose owner has chosen its exponent tens of them. */
const QUICK: readonly string[] = ['ssh-ed25519', 'ecdsa-sha2-nistp256'];

/** The verification before the next one. */
let before: Promise<unknown> = Promise.resolve();

/**
 * As `verifySignature`, for keys that a stranger may have chosen: one that is not quick is asked on another thread, one at a time, so
 * that neither the event loop nor the other threads, which files are read on, wait for it. Never rejects.
 */
export function verifySignatureAside(key: PublicKey, data: Buffer, signature: Buffer): Promise<boolean> {
  if (QUICK.includes(key.type)) return Promise.resolve(verifySignature(key, data, signature));
  const verified = before.then(
    () =>
      new Promise<boolean>((resolve) => {
        try {
          const question = questionOf(key, data, signature, undefined);
          if (question === undefined) return resolve(false);
          const { hash, data: signed, key: input, signature: raw } = question;
          verify(hash, signed, input, raw, (error, holds) => resolve(error === null && holds));
        } catch {
          resolve(false);
        }
      }),
  );
  before = verified;
  return verified;
}

/** What a security key signs: SHA256(application), flags, counter, SHA256(data) (PROTOCOL.u2f, "SSH U2F Signatures"). */
function securityKeyData(application: string, data: Buffer, reader: Reader): Buffer {
  const flags = reader.u8();
  const counter = reader.u32();
  return new Writer()
    .raw(createHash('sha256').update(application).digest())
    .u8(flags)
    .u32(counter)
    .raw(createHash('sha256').update(data).digest())
    .done();
}

/** The two mpints of RFC 5656 as r and s of fixed length. */
function ecdsaRaw(body: Buffer, coordinate: number): Buffer {
  const reader = new Reader(body);
  const raw = Buffer.alloc(2 * coordinate);
  const r = readPositiveMpint(reader, coordinate);
  const s = readPositiveMpint(reader, coordinate);
  reader.end();
  r.copy(raw, coordinate - r.length);
  s.copy(raw, 2 * coordinate - s.length);
  return raw;
}

/** RFC 8332 section 3: an integer without padding, so it may be shorter than the modulus; OpenSSH's ssh_rsa_verify pads it too. */
function padded(body: Buffer, key: KeyObject): Buffer {
  const length = Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8);
  if (body.length >= length) return body;
  return Buffer.concat([Buffer.alloc(length - body.length), body]);
}

/** The signature blob for `raw`, which must be in the algorithm's own SSH form (for ECDSA: two mpints). */
export function encodeSignature(algorithm: string, raw: Buffer): Buffer {
  return new Writer().string(algorithm).string(raw).done();
}
