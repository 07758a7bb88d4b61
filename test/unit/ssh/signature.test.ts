import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mpintBody } from '../../../src/ssh/mpint.ts';
import { type PublicKey, parsePublicKey, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { encodeSignature, verifySignature } from '../../../src/ssh/signature.ts';
import { Reader, Writer } from '../../../src/ssh/wire.ts';
import { KeyDirectory, KINDS, keygen } from './keygen.ts';
import { ecdsaBody, securityKey, securityKeySign } from './security-key.ts';

const MESSAGE = 'what was signed\n';

interface Signed {
  readonly key: PublicKey;
  readonly data: Buffer;
  readonly signature: Buffer;
}

/** The data under an SSHSIG signature (PROTOCOL.sshsig). */
function sshsigData(namespace: string, hash: string): Buffer {
  const digest = createHash(hash).update(MESSAGE).digest();
  return new Writer()
    .raw(Buffer.from('SSHSIG'))
    .string(namespace)
    .string('')
    .string(hash)
    .string(digest)
    .done();
}

/** Has ssh-keygen sign, and takes the inner signature out of the armour. */
function signedByKeygen(dir: KeyDirectory, file: string): Signed {
  const armoured = keygen(['-Y', 'sign', '-q', '-n', 'test', '-f', file], MESSAGE);
  const reader = new Reader(Buffer.from(armoured.replace(/-----[^-]+-----/g, ''), 'base64'));
  reader.u8();
  for (let i = 1; i < 6; i++) reader.u8();
  expect(reader.u32()).toBe(1);
  const key = parsePublicKey(reader.string());
  expect(key.blob.equals(parsePublicKeyLine(dir.read(`${file}.pub`)).blob)).toBe(true);
  const namespace = reader.text();
  reader.string();
  const data = sshsigData(namespace, reader.text());
  return { key, data, signature: reader.string() };
}

const dir = new KeyDirectory();
const signed = new Map<string, Signed>();
beforeAll(() => {
  for (const kind of KINDS) signed.set(kind, signedByKeygen(dir, dir.key(kind)));
}, 60_000);
afterAll(() => dir.remove());

function of(kind: string): Signed {
  const found = signed.get(kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

function flipped(bytes: Buffer, index: number, bit = 1): Buffer {
  const copy = Buffer.from(bytes);
  copy[index] = (copy[index] ?? 0) ^ bit;
  return copy;
}

describe('verifySignature', () => {
  it.each(KINDS)('believes ssh-keygen -Y sign, and nothing that differs: %s', (kind) => {
    const { key, data, signature } = of(kind);
    expect(verifySignature(key, data, signature)).toBe(true);
    expect(verifySignature(key, flipped(data, data.length - 1), signature)).toBe(false);
    expect(verifySignature(key, Buffer.alloc(0), signature)).toBe(false);
    const slow = kind === 'ecdsa384' || kind === 'ecdsa521';
    for (let i = 0; i < signature.length; i += slow ? 5 : 1) {
      expect(verifySignature(key, data, flipped(signature, i))).toBe(false);
      expect(verifySignature(key, data, signature.subarray(0, i))).toBe(false);
    }
    expect(verifySignature(key, data, Buffer.concat([signature, Buffer.from([0])]))).toBe(false);
    for (const other of KINDS.filter((name) => name !== kind)) {
      expect(verifySignature(of(other).key, data, signature)).toBe(false);
    }
  });

  it('takes only what is allowed', () => {
    const { key, data, signature } = of('rsa2048');
    expect(new Reader(signature).text()).toBe('rsa-sha2-512');
    expect(verifySignature(key, data, signature, ['rsa-sha2-512'])).toBe(true);
    expect(verifySignature(key, data, signature, ['rsa-sha2-256'])).toBe(false);
    expect(verifySignature(key, data, signature, [])).toBe(false);
  });

  it("takes no other key type's name for the same signature", () => {
    const { key, data, signature } = of('ed25519');
    const reader = new Reader(signature);
    reader.string();
    const raw = reader.string();
    expect(verifySignature(key, data, encodeSignature('ssh-ed25519', raw))).toBe(true);
    expect(verifySignature(key, data, encodeSignature('sk-ssh-ed25519@openssh.com', raw))).toBe(false);
    expect(verifySignature(key, data, encodeSignature('ssh-ed25519-cert-v01@openssh.com', raw))).toBe(false);
  });

  it('takes SHA-256 and SHA-512 of RSA, never SHA-1, whatever is allowed', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { e = '', n = '' } = publicKey.export({ format: 'jwk' });
    const body = (text: string): Buffer => mpintBody(Buffer.from(text, 'base64url'));
    const key = parsePublicKey(new Writer().string('ssh-rsa').string(body(e)).string(body(n)).done());
    const data = Buffer.from(MESSAGE);
    const by = (algorithm: string, hash: string): boolean =>
      verifySignature(key, data, encodeSignature(algorithm, sign(hash, data, privateKey)));
    expect(by('rsa-sha2-256', 'sha256')).toBe(true);
    expect(by('rsa-sha2-512', 'sha512')).toBe(true);
    expect(by('rsa-sha2-512', 'sha256')).toBe(false);
    expect(by('ssh-rsa', 'sha1')).toBe(false);
    const sha1 = encodeSignature('ssh-rsa', sign('sha1', data, privateKey));
    expect(verifySignature(key, data, sha1, ['ssh-rsa'])).toBe(false);
    expect(by('ssh-rsa-cert-v01@openssh.com', 'sha256')).toBe(false);
    // One signature in 256 starts with a zero byte, which RFC 8332 lets a signer leave out.
    const zeroed = firstWith(
      (i) => sign('sha256', Buffer.from(`${i}`), privateKey),
      (raw) => raw[0] === 0,
    );
    const short = encodeSignature('rsa-sha2-256', zeroed.raw.subarray(1));
    expect(verifySignature(key, Buffer.from(`${zeroed.index}`), short)).toBe(true);
    const long = encodeSignature('rsa-sha2-256', Buffer.concat([Buffer.from([0]), zeroed.raw]));
    expect(verifySignature(key, Buffer.from(`${zeroed.index}`), long)).toBe(false);
  }, 60_000);

  it('takes canonical ECDSA numbers only', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    const type = 'ecdsa-sha2-nistp256';
    const key = parsePublicKey(new Writer().string(type).string('nistp256').string(point).done());
    const data = Buffer.from(MESSAGE);
    // Until r needs a sign byte, and until r is a byte short: both forms of an mpint.
    for (const wanted of [(r: number) => r >= 0x80, (r: number) => r === 0]) {
      const { raw } = firstWith(
        () => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
        (bytes) => wanted(bytes[0] ?? 1),
      );
      expect(verifySignature(key, data, encodeSignature(type, ecdsaBody(raw)))).toBe(true);
      const r = raw.subarray(0, 32);
      const s = mpintBody(raw.subarray(32));
      const padded = new Writer()
        .string(Buffer.concat([Buffer.from([0, 0]), r]))
        .string(s)
        .done();
      expect(verifySignature(key, data, encodeSignature(type, padded))).toBe(false);
      const trailing = Buffer.concat([ecdsaBody(raw), Buffer.from([0])]);
      expect(verifySignature(key, data, encodeSignature(type, trailing))).toBe(false);
      const negative = new Writer()
        .string(Buffer.from([0x80]))
        .string(s)
        .done();
      expect(verifySignature(key, data, encodeSignature(type, negative))).toBe(false);
      const zero = new Writer().string('').string(s).done();
      expect(verifySignature(key, data, encodeSignature(type, zero))).toBe(false);
    }
    const der = sign('sha256', data, privateKey);
    expect(verifySignature(key, data, encodeSignature(type, der))).toBe(false);
  });

  it.each(['ed25519', 'ecdsa'] as const)('verifies a security key as ssh-keygen does: %s', (kind) => {
    // No hardware here: the key is made in software, and ssh-keygen -Y verify says whether it is made right.
    const sk = securityKey(kind);
    const data = sshsigData('test', 'sha512');
    const agree = (signature: Buffer): boolean => {
      const armour = new Writer().raw(Buffer.from('SSHSIG')).u32(1).string(sk.blob).string('test').string('');
      const base64 = armour.string('sha512').string(signature).done().toString('base64');
      const lines = base64.replace(/(.{70})/g, '$1\n');
      const file = dir.write('sig', `-----BEGIN SSH SIGNATURE-----\n${lines}\n-----END SSH SIGNATURE-----\n`);
      const signers = dir.write('signers', `me ${sk.type} ${sk.blob.toString('base64')}\n`);
      try {
        keygen(['-Y', 'verify', '-f', signers, '-I', 'me', '-n', 'test', '-s', file], MESSAGE);
        return true;
      } catch {
        return false;
      }
    };
    const signature = securityKeySign(sk, data);
    const key = parsePublicKey(sk.blob);
    expect(key.application).toBe('ssh:');
    expect(agree(signature)).toBe(true);
    expect(verifySignature(key, data, signature)).toBe(true);
    const badCounter = flipped(signature, signature.length - 1);
    expect(agree(badCounter)).toBe(false);
    for (let i = 0; i < signature.length; i++) {
      expect(verifySignature(key, data, flipped(signature, i))).toBe(false);
      expect(verifySignature(key, data, signature.subarray(0, i))).toBe(false);
    }
    // The same key as a plain one must not take a security key's signature, nor the other way round.
    const plain = sign(kind === 'ed25519' ? null : 'sha256', data, sk.key);
    expect(verifySignature(key, data, encodeSignature(sk.type, plain))).toBe(false);
  });

  it('is false for anything else, and never throws', () => {
    const algorithms = fc.constantFrom('ssh-ed25519', 'rsa-sha2-512', 'ecdsa-sha2-nistp256', 'ssh-rsa', '');
    const bodies = fc.uint8Array({ maxLength: 80 });
    fc.assert(
      fc.property(
        fc.constantFrom('ed25519', 'ecdsa256', 'rsa2048'),
        algorithms,
        bodies,
        (kind, algorithm, body) => {
          const { key, data } = of(kind);
          expect(verifySignature(key, data, encodeSignature(algorithm, Buffer.from(body)))).toBe(false);
          expect(verifySignature(key, data, Buffer.from(body))).toBe(false);
        },
      ),
    );
  });
});

function firstWith(
  make: (index: number) => Buffer,
  wanted: (raw: Buffer) => boolean,
): { raw: Buffer; index: number } {
  for (let index = 0; index < 20_000; index++) {
    const raw = make(index);
    if (wanted(raw)) return { raw, index };
  }
  throw new Error('no such signature in 20000');
}
