/**
 * Makes OpenSSH certificates (PROTOCOL.certkeys) for any plain key type, signed by an ed25519 CA: the writing half that only
 * the lab needs. It writes whatever it is told: deciding is openbao-sign.ts's part. Left out: RSA and ECDSA CAs.
 */
import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { ed25519PublicBlob } from '../ssh/public-key.ts';
import { encodeSignature } from '../ssh/signature.ts';
import { Reader, Writer } from '../ssh/wire.ts';

export interface CertificateFields {
  /** The plain key blob to certify. */
  readonly publicKey: Buffer;
  readonly serial: bigint;
  readonly certType: 'user' | 'host';
  readonly keyId: string;
  readonly principals: readonly string[];
  /** Seconds since the epoch. */
  readonly validAfter: bigint;
  /** Seconds since the epoch, exclusive. */
  readonly validBefore: bigint;
  /** Name to value; `''` is a flag. */
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, string>>;
}

/** `ssh-ed25519` → `ssh-ed25519-cert-v01@openssh.com`, `sk-ssh-ed25519@openssh.com` → `sk-ssh-ed25519-cert-v01@openssh.com`. */
function certificateType(plain: string): string {
  return `${plain.replace(/@openssh\.com$/, '')}-cert-v01@openssh.com`;
}

/** PROTOCOL.certkeys: options in lexical order of their names; a value is a string inside the data, a flag has none. */
function options(values: Readonly<Record<string, string>>): Buffer {
  const writer = new Writer();
  for (const [name, value] of Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1))) {
    writer.string(name).string(value === '' ? Buffer.alloc(0) : new Writer().string(value).done());
  }
  return writer.done();
}

/** The certificate's blob, signed by `ca`, an ed25519 private key. Throws WardenError `malformed` if `publicKey` is no key blob. */
export function writeCertificate(fields: CertificateFields, ca: KeyObject): Buffer {
  const key = new Reader(fields.publicKey);
  const type = certificateType(key.text(64));
  const principals = new Writer();
  for (const principal of fields.principals) principals.string(principal);
  const signedPart = new Writer()
    .string(type)
    .string(randomBytes(32))
    .raw(key.rest())
    .u64(fields.serial)
    .u32(fields.certType === 'user' ? 1 : 2)
    .string(fields.keyId)
    .string(principals.done())
    .u64(fields.validAfter)
    .u64(fields.validBefore)
    .string(options(fields.criticalOptions))
    .string(options(fields.extensions))
    .string('')
    .string(ed25519PublicBlob(ca))
    .done();
  const signature = encodeSignature('ssh-ed25519', sign(null, signedPart, ca));
  return new Writer().raw(signedPart).string(signature).done();
}

/** A key's or certificate's line, `type base64`, without a newline. */
export function keyLine(blob: Buffer): string {
  return `${new Reader(blob).text(64)} ${blob.toString('base64')}`;
}
