/** SSH key files made by ssh-keygen for tests: plain keys and the certificates of a CA, and private keys read for node:crypto. */
import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import sshpk from 'sshpk';
import { mpintBody } from '../../src/ssh/mpint.ts';
import { encodeSignature } from '../../src/ssh/signature.ts';
import { Reader, Writer } from '../../src/ssh/wire.ts';
import { mustRun } from './process.ts';

const TYPES = {
  ed25519: ['-t', 'ed25519'],
  ecdsa256: ['-t', 'ecdsa', '-b', '256'],
  ecdsa384: ['-t', 'ecdsa', '-b', '384'],
  ecdsa521: ['-t', 'ecdsa', '-b', '521'],
  rsa: ['-t', 'rsa', '-b', '3072'],
} as const;
export type KeyType = keyof typeof TYPES;

export interface KeyFile {
  /** The private key, in OpenSSH's format, without a passphrase; the public one has `.pub` behind it. */
  readonly path: string;
  /** One line: type, base64, comment. */
  readonly publicKey: string;
}

/** Makes a key in `directory`; its comment is its name. */
export async function makeKey(directory: string, name: string, type: KeyType = 'ed25519'): Promise<KeyFile> {
  const path = `${directory}/${name}`;
  await mustRun('ssh-keygen', ['-q', ...TYPES[type], '-N', '', '-C', name, '-f', path]);
  return { path, publicKey: readFileSync(`${path}.pub`, 'utf8').trim() };
}

export interface CertificateOptions {
  readonly keyId?: string;
  readonly principals?: readonly string[];
  readonly host?: boolean;
  /** ssh-keygen's -V; from a minute ago for an hour by default. */
  readonly validity?: string;
  readonly serial?: number;
  /** Each an argument of -O, such as `clear` or `force-command=date`. */
  readonly options?: readonly string[];
}

/** Has `ca` sign the public key beside `key`; returns the path of the certificate, `KEY-cert.pub`. */
export async function certify(ca: KeyFile, key: KeyFile, options: CertificateOptions = {}): Promise<string> {
  const { keyId = 'test', principals = [], host = false, validity = '-1m:+1h', serial = 0 } = options;
  const names = principals.length === 0 ? [] : ['-n', principals.join(',')];
  const kind = host ? ['-h'] : [];
  const extra = (options.options ?? []).flatMap((option) => ['-O', option]);
  const args = [
    '-q',
    '-s',
    ca.path,
    '-I',
    keyId,
    ...kind,
    ...names,
    '-V',
    validity,
    '-z',
    `${serial}`,
    ...extra,
  ];
  await mustRun('ssh-keygen', [...args, `${key.path}.pub`]);
  return `${key.path}-cert.pub`;
}

/** PKCS#8 of an ed25519 key up to its seed (RFC 8410 section 7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An OpenSSH private key file without a passphrase as a KeyObject (PROTOCOL.key; sshpk reads all but ed25519 into PKCS#8). */
export function readPrivateKey(path: string): KeyObject {
  const text = readFileSync(path, 'utf8');
  const body = Buffer.from(text.replace(/-----[^-]+-----/g, ''), 'base64');
  const file = new Reader(body.subarray('openssh-key-v1\0'.length));
  const ciphers = [file.text(), file.text()];
  if (ciphers.some((cipher) => cipher !== 'none')) throw new Error(`${path} has a passphrase`);
  file.string();
  file.u32();
  file.string();
  const secret = new Reader(file.string());
  // The same check number twice.
  secret.u64();
  if (secret.text() !== 'ssh-ed25519')
    return createPrivateKey(sshpk.parsePrivateKey(text, 'ssh').toString('pkcs8'));
  secret.string();
  const seed = secret.string().subarray(0, 32);
  return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

const CURVES: Readonly<Record<string, { readonly name: string; readonly hash: string }>> = {
  'P-256': { name: 'nistp256', hash: 'sha256' },
  'P-384': { name: 'nistp384', hash: 'sha384' },
  'P-521': { name: 'nistp521', hash: 'sha512' },
};

function curveOf(jwk: JsonWebKey): { readonly name: string; readonly hash: string } {
  const curve = CURVES[jwk.crv ?? ''];
  if (curve === undefined) throw new Error(`no SSH key has the curve ${jwk.crv}`);
  return curve;
}

/** The SSH blob of a public or private key: ed25519, ECDSA or RSA (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4). */
export function publicBlob(key: KeyObject): Buffer {
  const jwk = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  const bytes = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
  if (jwk.kty === 'OKP') return new Writer().string('ssh-ed25519').string(bytes(jwk.x)).done();
  if (jwk.kty === 'RSA')
    return new Writer()
      .string('ssh-rsa')
      .string(mpintBody(bytes(jwk.e)))
      .string(mpintBody(bytes(jwk.n)))
      .done();
  const { name } = curveOf(jwk);
  const point = Buffer.concat([Buffer.from([4]), bytes(jwk.x), bytes(jwk.y)]);
  return new Writer().string(`ecdsa-sha2-${name}`).string(name).string(point).done();
}

/** The SSH signature blob of a private key over `data`; RSA as rsa-sha2-512, as ssh asks a server for. */
export function signBlob(key: KeyObject, data: Buffer): Buffer {
  if (key.asymmetricKeyType === 'ed25519') return encodeSignature('ssh-ed25519', sign(null, data, key));
  if (key.asymmetricKeyType === 'rsa') return encodeSignature('rsa-sha2-512', sign('sha512', data, key));
  const { name, hash } = curveOf(createPublicKey(key).export({ format: 'jwk' }));
  const raw = sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  const half = raw.length / 2;
  const [r, s] = [mpintBody(raw.subarray(0, half)), mpintBody(raw.subarray(half))];
  return encodeSignature(`ecdsa-sha2-${name}`, new Writer().string(r).string(s).done());
}
