/** Targets: public keys, their lines, certificates and signatures. What is accepted must be the input again, and what verifies must be genuine. */

import { certifiedHosts } from '../../../src/destination/host-certificate.ts';
import { resolveDestination } from '../../../src/destination/names.ts';
import {
  type Certificate,
  isCertificateType,
  MAX_PRINCIPALS,
  parseCertificate,
  verifyCertificate,
} from '../../../src/ssh/certificate.ts';
import { readOptions } from '../../../src/ssh/certificate-options.ts';
import { describeCertificate } from '../../../src/ssh/certificate-text.ts';
import { fingerprint, parsePublicKey, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { verifySignature } from '../../../src/ssh/signature.ts';
import { Reader, Writer } from '../../../src/ssh/wire.ts';
import { publicBlob } from '../../support/keys.ts';
import type { Corpus } from '../corpus.ts';
import { must, type Target } from '../target.ts';

const TYPES = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'ssh-ed25519-cert-v01@openssh.com',
  'ssh-rsa-cert-v01@openssh.com',
  'ssh-dss',
  'rsa-sha2-512',
  'nistp256',
];

export const publicKey: Target = {
  name: 'public-key',
  words: TYPES,
  run(input) {
    const given = Buffer.from(input);
    const key = parsePublicKey(given);
    given.fill(0xee);
    must(key.blob.equals(input), 'the blob is a copy of the input');
    must(!isCertificateType(key.type) && key.key.type === 'public', 'it is a plain public key');
    must(/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint(input)), 'a fingerprint looks like one');
    const again = publicBlob(key.key);
    if (key.application === undefined) must(again.equals(input), 'the imported key is the input again');
    must(parsePublicKey(input).key === key.key, 'the second time it comes from the cache');
    return `${key.type} of ${Math.ceil(key.bits / 1024)} kbit`;
  },
};

export const keyLine: Target = {
  name: 'key-line',
  words: [...TYPES, 'AAAAC3NzaC1lZDI1NTE5AAAA', '=', '==', ' ', '\t', '\r\n', '\0'],
  run(input) {
    const text = input.toString('latin1');
    const { type, blob, comment } = parsePublicKeyLine(text);
    const words = text.trim().split(/[ \t]+/);
    must(words[0] === type && words[1] === blob.toString('base64'), 'type and key stand in the line');
    must(new Reader(blob).text() === type, 'the key is of the type');
    must(text.includes(comment) && !/[\r\n\0]/.test(comment), 'the comment is a part of the line');
    return `${type}, comment ${comment !== ''}`;
  },
};

function encoded(cert: Certificate): Buffer {
  const principals = cert.principals.reduce((writer, name) => writer.string(name), new Writer()).done();
  const section = (raw: Buffer, critical: boolean) =>
    readOptions(raw, critical)
      .reduce((writer, { name, data }) => writer.string(name).string(data), new Writer())
      .done();
  const subject = new Reader(cert.publicKey);
  subject.string();
  return new Writer()
    .string(cert.type)
    .string(cert.nonce)
    .raw(subject.rest())
    .u64(cert.serial)
    .u32(cert.certType === 'user' ? 1 : 2)
    .string(cert.keyId)
    .string(principals)
    .u64(cert.validAfter)
    .u64(cert.validBefore)
    .string(section(cert.rawCriticalOptions, true))
    .string(section(cert.rawExtensions, false))
    .string(cert.reserved)
    .string(cert.signatureKey)
    .done();
}

const NOBODY = { linesOf: () => [], keysNamed: () => [], knows: () => false, warnings: [] };

/** The parts that genuine certificates' CAs have signed, to know them again. */
function signedParts(corpus: Corpus): ReadonlySet<string> {
  return new Set(
    corpus.seeds('certificate').map(({ bytes }) => parseCertificate(bytes).signedPart.toString('base64')),
  );
}

export function certificate(corpus: Corpus): Target {
  const genuine = signedParts(corpus);
  return {
    name: 'certificate',
    words: [...TYPES, 'force-command', 'source-address', 'permit-pty', 'verify-required'],
    run(input) {
      const cert = parseCertificate(input);
      const signed = encoded(cert);
      must(signed.equals(cert.signedPart), 'the signed part is the fields again');
      must(
        new Writer().raw(signed).string(cert.signature).done().equals(input),
        'the whole is the input again',
      );
      must(cert.principals.length <= MAX_PRINCIPALS, 'there are not too many principals');
      must(cert.publicKey.equals(parsePublicKey(cert.publicKey).blob), 'the certified key is a key');
      must(!isCertificateType(parsePublicKey(cert.signatureKey).type), 'the CA is a plain key');
      const verified = verifyCertificate(cert);
      must(!verified || genuine.has(cert.signedPart.toString('base64')), 'what verifies is genuine');
      const text = describeCertificate(cert, 0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      must(!/[\0-\x09\x0b-\x1f\x7f-\x9f]/.test(text), 'the text for people holds no control characters');
      const now = Number(cert.validAfter);
      const hosts = certifiedHosts(cert, now);
      must(
        hosts.length === 0 || (verified && cert.certType === 'host'),
        'only a verified host certificate proves names',
      );
      const { names } = resolveDestination(input, {
        knownHosts: NOBODY,
        lanes: [],
        candidates: ['web1'],
        nowSeconds: now,
      });
      must(names.length === 0, 'without known_hosts and lanes nothing has a name');
      const options = `${Math.min(2, cert.criticalOptions.size)}+${Math.min(2, cert.extensions.size)} options`;
      return `${cert.type} ${cert.certType}, verified ${verified}, ${options}, ${Math.min(2, cert.principals.length)} names`;
    },
  };
}

interface Triple {
  readonly key: Buffer;
  readonly data: Buffer;
  readonly signature: Buffer;
}

function tripleOf(input: Buffer): Triple | undefined {
  try {
    const reader = new Reader(input);
    return { key: reader.string(), data: reader.string(), signature: reader.rest() };
  } catch {
    return undefined;
  }
}

/** Input: string key, string data, and the signature blob as the rest. */
export function signature(corpus: Corpus): Target {
  const index = ({ key, data }: Triple) => `${key.toString('base64')} ${data.toString('base64')}`;
  const genuine = new Set(
    corpus.seeds('signature').flatMap(({ bytes }) => {
      const triple = tripleOf(bytes);
      return triple === undefined ? [] : [index(triple)];
    }),
  );
  return {
    name: 'signature',
    words: ['ssh-ed25519', 'rsa-sha2-256', 'rsa-sha2-512', 'ssh-rsa', 'ecdsa-sha2-nistp256'],
    run(input) {
      const triple = tripleOf(input);
      if (triple === undefined) return 'no three parts';
      const key = parsePublicKey(triple.key);
      const holds = verifySignature(key, triple.data, triple.signature);
      must(!holds || genuine.has(index(triple)), 'what verifies is genuine');
      must(
        !verifySignature(key, triple.data, triple.signature, []),
        'nothing verifies where nothing is allowed',
      );
      return `${key.type} ${holds}`;
    },
  };
}
