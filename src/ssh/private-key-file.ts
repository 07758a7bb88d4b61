/** A private ed25519 key as a file: OpenSSH's own format without a passphrase (PROTOCOL.key), which every ssh since 6.5 reads. */
import { generateKeyPairSync, randomInt } from 'node:crypto';
import { ed25519Blob } from './public-key.ts';
import { Writer } from './wire.ts';

const LINE = 70;

export interface KeyPairFiles {
  /** PEM text with a newline at its end: secret. */
  readonly privateKey: string;
  /** The line of the `.pub` file, without a newline. */
  readonly publicKey: string;
}

/** Makes a new key pair; `comment` is for people. */
export function newKeyPairFiles(comment: string): KeyPairFiles {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  // RFC 8410: both end with the key's 32 bytes.
  const [point, seed] = [publicKey.subarray(-32), privateKey.subarray(-32)];
  const blob = ed25519Blob(point);
  const check = randomInt(2 ** 32);
  const secret = new Writer()
    .u32(check)
    .u32(check)
    .string('ssh-ed25519')
    .string(point)
    .string(Buffer.concat([seed, point]))
    .string(comment)
    .done();
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, i) => i + 1));
  const body = new Writer()
    .string('none')
    .string('none')
    .string('')
    .u32(1)
    .string(blob)
    .string(Buffer.concat([secret, padding]))
    .done();
  const base64 = Buffer.concat([Buffer.from('openssh-key-v1\0'), body]).toString('base64');
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? [];
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `ssh-ed25519 ${blob.toString('base64')} ${comment}`,
  };
}
