/**
 * OpenSSH certificates: PROTOCOL.certkeys and sshkey.c (cert_parse), read strictly and verified over node:crypto.
 * Whether a certificate is good for a purpose (time, principals, options, which CA) is the caller's question.
 * Left out: making certificates, ssh-dss, the v00 format. Texts that are not UTF-8 are refused, which OpenSSH lets pass.
 */
import { WardenError } from '../errors.ts';
import { optionValues, readOptions } from './certificate-options.ts';
import { parsePublicKey, parsePublicKeyLine, readKeyFields } from './public-key.ts';
import { verifySignature } from './signature.ts';
import { Reader, Writer } from './wire.ts';

/** SSHKEY_CERT_MAX_PRINCIPALS of OpenSSH's sshkey.h. */
export const MAX_PRINCIPALS = 256;
/** Bytes of a whole certificate: room for 256 principals with long names. */
export const MAX_CERTIFICATE = 64 * 1024;
/** `validBefore` of a certificate that never ends. */
export const FOREVER = 0xffff_ffff_ffff_ffffn;

export interface Certificate {
  /** `ssh-ed25519-cert-v01@openssh.com`… */
  readonly type: string;
  /** The type of the certified key: `ssh-ed25519`… */
  readonly keyType: string;
  readonly nonce: Buffer;
  /** The certified key as a plain key blob. */
  readonly publicKey: Buffer;
  readonly serial: bigint;
  readonly certType: 'user' | 'host';
  readonly keyId: string;
  /** Empty: good for any name in OpenSSH's eyes. */
  readonly principals: readonly string[];
  /** Seconds since the epoch; valid at this second. */
  readonly validAfter: bigint;
  /** Seconds since the epoch; no longer valid at this second. FOREVER: no end. */
  readonly validBefore: bigint;
  /** Name to value: `optionValues`. */
  readonly criticalOptions: ReadonlyMap<string, string>;
  readonly extensions: ReadonlyMap<string, string>;
  /** The two sections in SSH's encoding, for whoever needs the bytes. */
  readonly rawCriticalOptions: Buffer;
  readonly rawExtensions: Buffer;
  readonly reserved: Buffer;
  /** The CA's plain key blob. */
  readonly signatureKey: Buffer;
  /** The CA's signature blob, and the algorithm that it names. */
  readonly signature: Buffer;
  readonly signatureType: string;
  /** What the CA signed: everything before the signature. */
  readonly signedPart: Buffer;
}

const PLAIN_TYPES: ReadonlyMap<string, string> = new Map([
  ['ssh-ed25519-cert-v01@openssh.com', 'ssh-ed25519'],
  ['ssh-rsa-cert-v01@openssh.com', 'ssh-rsa'],
  ['ecdsa-sha2-nistp256-cert-v01@openssh.com', 'ecdsa-sha2-nistp256'],
  ['ecdsa-sha2-nistp384-cert-v01@openssh.com', 'ecdsa-sha2-nistp384'],
  ['ecdsa-sha2-nistp521-cert-v01@openssh.com', 'ecdsa-sha2-nistp521'],
  ['sk-ssh-ed25519-cert-v01@openssh.com', 'sk-ssh-ed25519@openssh.com'],
  ['sk-ecdsa-sha2-nistp256-cert-v01@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'],
]);

/** Whether a key type is one of the certificate types that `parseCertificate` reads. */
export function isCertificateType(type: string): boolean {
  return PLAIN_TYPES.has(type);
}

/** The plain key type of a certificate type. Throws WardenError `bad_certificate` for any other text. */
export function plainType(certType: string): string {
  const plain = PLAIN_TYPES.get(certType);
  if (plain === undefined) throw bad(`type ${JSON.stringify(certType)} is not a certificate's`);
  return plain;
}

function bad(what: string): WardenError {
  return new WardenError('bad_certificate', `bad certificate: ${what}`);
}

function readPrincipals(section: Buffer): string[] {
  const reader = new Reader(section);
  const principals: string[] = [];
  while (reader.remaining > 0) {
    if (principals.length === MAX_PRINCIPALS) throw bad(`it names more than ${MAX_PRINCIPALS} principals`);
    principals.push(reader.text());
  }
  return principals;
}

/** The plain key blob that the fields after the nonce make up; the reader stands behind them then. */
function readSubject(keyType: string, reader: Reader, blob: Buffer): Buffer {
  const start = reader.offset;
  readKeyFields(keyType, reader);
  const publicKey = new Writer().string(keyType).raw(blob.subarray(start, reader.offset)).done();
  return parsePublicKey(publicKey).blob;
}

/** The CA's key must be one that can sign: not itself a certificate (cert_parse: SSH_ERR_KEY_CERT_INVALID_SIGN_KEY). */
function checkAuthority(signatureKey: Buffer): void {
  if (isCertificateType(new Reader(signatureKey).text(64))) throw bad('its CA is itself a certificate');
  parsePublicKey(signatureKey);
}

/**
 * Reads a certificate blob; the result holds a copy of it. The signature is not looked at: `verifyCertificate`.
 * Throws WardenError: `malformed` (encoding), `bad_key` (subject or CA), `bad_certificate` (rules of PROTOCOL.certkeys),
 * `limit_exceeded` past MAX_CERTIFICATE.
 */
export function parseCertificate(bytes: Buffer): Certificate {
  if (bytes.length > MAX_CERTIFICATE) {
    throw new WardenError('limit_exceeded', `a certificate has more than ${MAX_CERTIFICATE} bytes`);
  }
  const blob = Buffer.from(bytes);
  const reader = new Reader(blob);
  const type = reader.text(64);
  const keyType = plainType(type);
  const nonce = reader.string();
  const publicKey = readSubject(keyType, reader, blob);
  const serial = reader.u64();
  const kind = reader.u32();
  if (kind !== 1 && kind !== 2) throw bad(`it is neither a user's nor a host's, but of kind ${kind}`);
  const keyId = reader.text();
  const principals = readPrincipals(reader.string());
  const validAfter = reader.u64();
  const validBefore = reader.u64();
  const rawCriticalOptions = reader.string();
  const rawExtensions = reader.string();
  const reserved = reader.string();
  const signatureKey = reader.string();
  const signedPart = blob.subarray(0, reader.offset);
  const signature = reader.string();
  reader.end();
  checkAuthority(signatureKey);
  return {
    type,
    keyType,
    nonce,
    publicKey,
    serial,
    certType: kind === 1 ? 'user' : 'host',
    keyId,
    principals,
    validAfter,
    validBefore,
    criticalOptions: optionValues(readOptions(rawCriticalOptions, true)),
    extensions: optionValues(readOptions(rawExtensions, false)),
    rawCriticalOptions,
    rawExtensions,
    reserved,
    signatureKey,
    signature,
    signatureType: new Reader(signature).text(64),
    signedPart,
  };
}

/** Whether the CA's signature over the certificate is right; an RSA CA must have used SHA-2. Never throws. Says nothing about which CA it is. */
export function verifyCertificate(cert: Certificate): boolean {
  // In the cache since parseCertificate; a certificate put together by hand may still hold anything.
  try {
    return verifySignature(parsePublicKey(cert.signatureKey), cert.signedPart, cert.signature);
  } catch {
    return false;
  }
}

/**
 * The blob of a certificate's line, such as a `-cert.pub` file or OpenBao's `signed_key` (with or without its newline).
 * Throws WardenError `malformed`, `limit_exceeded`; `bad_certificate` for the line of a plain key.
 */
export function certificateBlobOf(text: string): Buffer {
  const { type, blob } = parsePublicKeyLine(text);
  plainType(type);
  return blob;
}
