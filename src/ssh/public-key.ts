/**
 * SSH public keys over node:crypto: RFC 4253 section 6.6 (ssh-rsa), RFC 5656 section 3.1 (ecdsa-sha2-*),
 * RFC 8709 section 4 (ssh-ed25519), OpenSSH's PROTOCOL.u2f (sk-*). Blobs are read strictly: canonical numbers,
 * exact lengths, no trailing bytes. Left out: ssh-dss, Ed448, private keys, authorized_keys options.
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { WardenError } from '../errors.ts';
import { readPositiveMpint } from './mpint.ts';
import { Reader, Writer } from './wire.ts';

/** SSH_RSA_MINIMUM_MODULUS_SIZE of OpenSSH's sshkey.h. */
export const RSA_MIN_BITS = 1024;
/** SSHBUF_MAX_BIGNUM of OpenSSH's sshbuf.h, and what OpenSSL verifies at most. */
export const RSA_MAX_BITS = 16384;
/** A `.pub` or authorized_keys line: room for a certificate with 256 principals. */
export const MAX_LINE = 128 * 1024;
/** How many imported keys are kept: CAs and host keys come again and again, and an import costs as much as a verification. */
export const KEY_CACHE_LIMIT = 256;

/** The application of an sk key is a relying party's name, `ssh:` by default. */
const MAX_APPLICATION = 1024;

export interface PublicKey {
  /** `ssh-ed25519`, `ecdsa-sha2-nistp256`…; never a certificate's type. */
  readonly type: string;
  /** The whole key in SSH's encoding. */
  readonly blob: Buffer;
  readonly key: KeyObject;
  readonly bits: number;
  /** Set for sk-* keys: what the security key hashes into each signature. */
  readonly application?: string;
}

/** What stands after the type in a key blob, ready to import. */
interface KeyFields {
  readonly jwk: JsonWebKey;
  readonly bits: number;
  readonly application?: string;
}

interface Curve {
  readonly name: string;
  readonly crv: string;
  readonly bits: number;
  readonly bytes: number;
}

const P256: Curve = { name: 'nistp256', crv: 'P-256', bits: 256, bytes: 32 };
const P384: Curve = { name: 'nistp384', crv: 'P-384', bits: 384, bytes: 48 };
const P521: Curve = { name: 'nistp521', crv: 'P-521', bits: 521, bytes: 66 };

function malformed(what: string, cause?: unknown): WardenError {
  return new WardenError('malformed', `malformed public key: ${what}`, { cause });
}

function ed25519Fields(reader: Reader): KeyFields {
  const point = reader.string(32);
  if (point.length !== 32) throw malformed(`an ed25519 key has 32 bytes, not ${point.length}`);
  return { jwk: { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }, bits: 256 };
}

function ecdsaFields(reader: Reader, curve: Curve): KeyFields {
  if (reader.text(16) !== curve.name) throw malformed(`the curve is not ${curve.name}`);
  const point = reader.string(1 + 2 * curve.bytes);
  if (point.length !== 1 + 2 * curve.bytes || point[0] !== 4) throw malformed('not an uncompressed point');
  const x = point.subarray(1, 1 + curve.bytes).toString('base64url');
  const y = point.subarray(1 + curve.bytes).toString('base64url');
  return { jwk: { kty: 'EC', crv: curve.crv, x, y }, bits: curve.bits };
}

function rsaFields(reader: Reader): KeyFields {
  const exponent = readPositiveMpint(reader, RSA_MAX_BITS / 8);
  const modulus = readPositiveMpint(reader, RSA_MAX_BITS / 8);
  const bits = modulus.length * 8 - (Math.clz32(modulus[0] ?? 0) - 24);
  if (bits < RSA_MIN_BITS) {
    throw new WardenError('bad_key', `an RSA key of ${bits} bits is too short`, {
      hint: `use ed25519, or at least ${RSA_MIN_BITS} bits`,
    });
  }
  // With e = 1 every number is its own signature; OpenSSL imports such a key without a word.
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1;
  if (!odd || (exponent.length === 1 && exponent[0] === 1)) throw malformed('impossible RSA exponent');
  return {
    jwk: { kty: 'RSA', e: exponent.toString('base64url'), n: modulus.toString('base64url') },
    bits,
  };
}

function withApplication(fields: KeyFields, reader: Reader): KeyFields {
  return { ...fields, application: reader.text(MAX_APPLICATION) };
}

const FIELDS: ReadonlyMap<string, (reader: Reader) => KeyFields> = new Map([
  ['ssh-ed25519', ed25519Fields],
  ['ssh-rsa', rsaFields],
  ['ecdsa-sha2-nistp256', (reader) => ecdsaFields(reader, P256)],
  ['ecdsa-sha2-nistp384', (reader) => ecdsaFields(reader, P384)],
  ['ecdsa-sha2-nistp521', (reader) => ecdsaFields(reader, P521)],
  ['sk-ssh-ed25519@openssh.com', (reader) => withApplication(ed25519Fields(reader), reader)],
  ['sk-ecdsa-sha2-nistp256@openssh.com', (reader) => withApplication(ecdsaFields(reader, P256), reader)],
]);

/** Whether a type is one of the plain key types that `parsePublicKey` reads. */
export function isKeyType(type: string): boolean {
  return FIELDS.has(type);
}

/** Reads the fields after the type of a key or certificate. Throws WardenError `malformed`, or `bad_key` for a type that is not known. */
export function readKeyFields(type: string, reader: Reader): KeyFields {
  const read = FIELDS.get(type);
  if (read === undefined) {
    throw new WardenError('bad_key', `key type ${JSON.stringify(type)} is not supported`, {
      hint: 'use ed25519, ecdsa or rsa',
    });
  }
  return read(reader);
}

/** Least recently used first (a Map keeps the order of insertion). Public keys only. */
const cache = new Map<string, PublicKey>();

/**
 * Reads a plain key blob (RFC 4253 section 6.6); the result holds a copy of it. Recently read keys come from a cache
 * of KEY_CACHE_LIMIT. Throws WardenError `malformed`, or `bad_key` for an unsupported type or a weak key.
 */
export function parsePublicKey(blob: Buffer): PublicKey {
  const index = blob.toString('latin1');
  const known = cache.get(index);
  if (known !== undefined) {
    cache.delete(index);
    cache.set(index, known);
    return known;
  }
  const reader = new Reader(blob);
  const type = reader.text(64);
  const { jwk, ...fields } = readKeyFields(type, reader);
  reader.end();
  const parsed: PublicKey = { type, blob: Buffer.from(blob), key: importKey(jwk), ...fields };
  cache.set(index, parsed);
  if (cache.size > KEY_CACHE_LIMIT) {
    const oldest = cache.keys().next();
    if (!oldest.done) cache.delete(oldest.value);
  }
  return parsed;
}

/** JWK and not DER: 7 µs instead of 144. OpenSSL refuses points that are not on the curve. */
function importKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (thrown) {
    throw malformed('its numbers are not a key', thrown);
  }
}

/** `SHA256:` and unpadded base64, as `ssh-keygen -l` prints it. Of a certificate ssh-keygen takes its plain key: so must the caller. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

export interface PublicKeyLine {
  readonly type: string;
  /** The type in the blob is checked, the rest is not: `parsePublicKey` or `parseCertificate` does that. */
  readonly blob: Buffer;
  /** Untrusted text; empty where there is none. */
  readonly comment: string;
}

/**
 * One `.pub` line, `type base64 [comment]`, with or without a newline at its end. Keys and certificates alike.
 * Throws WardenError `malformed`; `limit_exceeded` past MAX_LINE characters.
 */
export function parsePublicKeyLine(text: string): PublicKeyLine {
  if (text.length > MAX_LINE) {
    throw new WardenError('limit_exceeded', `a public key line has more than ${MAX_LINE} characters`);
  }
  // The comment begins with what is no blank, or a long run of them could be shared out in a million ways.
  const match =
    /^[ \t]*([!-~]{1,64})[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+([^ \t\r\n\0][^\r\n\0]*)?)?\r?\n?$/.exec(text);
  const [, type = '', base64 = '', comment = ''] = match ?? [];
  if (match === null) throw malformed('the line is not "type base64 comment"');
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) throw malformed('the base64 is not canonical');
  if (new Reader(blob).text(64) !== type) throw malformed(`the line says ${type}, the key says otherwise`);
  return { type, blob, comment: comment.trimEnd() };
}

/** The SSH blob of an ed25519 key's 32 bytes (RFC 8709 section 4). */
export function ed25519Blob(raw: Buffer): Buffer {
  return new Writer().string('ssh-ed25519').string(raw).done();
}

/** The SSH blob of an ed25519 key, public or private; a private key's secret part is never exported. Throws WardenError `bad_key` for other keys. */
export function ed25519PublicBlob(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  if (publicKey.type !== 'public' || publicKey.asymmetricKeyType !== 'ed25519') {
    throw new WardenError('bad_key', 'not an ed25519 key');
  }
  // DER and not JWK: of a key that was just generated, the JWK can stop the process (agent/keystore/fresh-key.ts).
  return ed25519Blob(publicKey.export({ type: 'spki', format: 'der' }).subarray(-32));
}
