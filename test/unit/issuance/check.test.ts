import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { WardenError } from '../../../src/errors.ts';
import {
  type Asked,
  BACKDATE_ALLOWANCE_S,
  checkCertificate,
  SKEW_ALLOWANCE_S,
} from '../../../src/issuance/check.ts';
import { type CertificateFields, keyLine, writeCertificate } from '../../../src/lab/certificate-writer.ts';
import { ed25519PublicBlob, fingerprint } from '../../../src/ssh/public-key.ts';

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const CA = newKey();
const KEY = ed25519PublicBlob(newKey());
/** Seconds: when OpenBao signed, by its own clock. */
const NOW = 1_800_000_000n;
const TTL = 120;
const BACKDATED = 30n;

const asked: Asked = {
  publicKey: KEY,
  principals: ['ops', 'deploy'],
  ttlSeconds: TTL,
  extensions: ['permit-pty', 'permit-port-forwarding'],
  criticalOptions: { 'source-address': '192.0.2.0/24' },
  expectedCas: ['SHA256:other', fingerprint(ed25519PublicBlob(CA))],
  serverTime: Number(NOW) * 1000,
};

/** What an honest OpenBao makes of that. */
const honest: CertificateFields = {
  publicKey: KEY,
  serial: 2n ** 63n + 1n,
  certType: 'user',
  keyId: 'warden-x',
  principals: ['ops', 'deploy'],
  validAfter: NOW - BACKDATED,
  validBefore: NOW + BigInt(TTL),
  criticalOptions: { 'source-address': '192.0.2.0/24' },
  extensions: { 'permit-pty': '', 'permit-port-forwarding': '' },
};

function check(fields: Partial<CertificateFields>, more: Partial<Asked> = {}, ca = CA) {
  const line = `${keyLine(writeCertificate({ ...honest, ...fields }, ca))}\n`;
  return checkCertificate(line, { ...asked, ...more });
}

/** What it was refused with; a hint is always there. */
function refusal(run: () => unknown): WardenError {
  try {
    run();
  } catch (thrown) {
    if (!(thrown instanceof WardenError)) throw thrown;
    expect(thrown.hint).not.toBe('');
    return thrown;
  }
  throw new Error('it was accepted');
}

describe('accepted', () => {
  test('what was asked for, with a serial past 2^53', () => {
    const blob = writeCertificate(honest, CA);
    const checked = checkCertificate(`${keyLine(blob)} a comment\n`, asked);
    expect(checked.blob).toEqual(blob);
    expect(checked.certificate.serial).toBe(9223372036854775809n);
  });

  test.each<[string, Partial<CertificateFields>, Partial<Asked>?]>([
    ['fewer principals', { principals: ['deploy'] }],
    ['a shorter life', { validBefore: NOW + 1n }],
    ['no extensions', { extensions: {} }],
    ['one critical option more', { criticalOptions: { ...honest.criticalOptions, 'force-command': 'x' } }],
    [
      'any extensions where the role decides',
      { extensions: { 'permit-X11-forwarding': '' } },
      { extensions: undefined },
    ],
    ['backdating as far as is allowed', { validAfter: NOW - BigInt(BACKDATE_ALLOWANCE_S) }],
    [
      "a server's clock that is far from ours, without its Date",
      { validAfter: 5n, validBefore: 65n },
      { serverTime: undefined },
    ],
    [
      'a Date that is some seconds old',
      { validAfter: NOW, validBefore: NOW + BigInt(TTL + SKEW_ALLOWANCE_S) },
    ],
    ['a start within the allowance', { validAfter: NOW + BigInt(SKEW_ALLOWANCE_S) }],
  ])('%s', (_name, fields, more) => {
    expect(check(fields, more).certificate.certType).toBe('user');
  });
});

describe('refused', () => {
  test.each<[string, Partial<CertificateFields>, string, Partial<Asked>?]>([
    ['a host certificate', { certType: 'host' }, 'host certificate'],
    ['another key', { publicKey: ed25519PublicBlob(newKey()) }, 'another key'],
    ['no principals', { principals: [] }, 'no principals'],
    ['one principal more', { principals: ['ops', 'root'] }, 'not asked for: root'],
    ['a principal in other letters', { principals: ['OPS'] }, 'not asked for: OPS'],
    ['one extension more', { extensions: { 'permit-pty': '', 'permit-user-rc': '' } }, ': permit-user-rc'],
    ['a dropped critical option', { criticalOptions: {} }, 'source-address'],
    ['a changed critical option', { criticalOptions: { 'source-address': '0.0.0.0/0' } }, 'source-address'],
    ['a key id that reads like a serial', { keyId: 'x (serial 7)' }, 'key id'],
    ['a key id of two lines', { keyId: 'x\nAccepted' }, 'key id'],
    ['no life', { validAfter: NOW, validBefore: NOW }, 'valid for 0 s'],
    ['an end before the start', { validAfter: NOW, validBefore: NOW - 1n }, 'valid for -1 s'],
    ['no end', { validBefore: 2n ** 64n - 1n }, 'at most 420 s'],
    [
      'a second more than the allowance',
      { validAfter: NOW - BigInt(BACKDATE_ALLOWANCE_S) - 1n },
      'valid for 421 s',
    ],
    [
      'the same without a Date',
      { validAfter: 0n, validBefore: BigInt(TTL + BACKDATE_ALLOWANCE_S) + 1n },
      'valid for 421 s',
      { serverTime: undefined },
    ],
    [
      'an end later than asked, though the whole is short',
      { validAfter: NOW, validBefore: NOW + BigInt(TTL + SKEW_ALLOWANCE_S) + 1n },
      'longer than was asked',
    ],
    [
      'a start in the future',
      { validAfter: NOW + BigInt(SKEW_ALLOWANCE_S) + 1n, validBefore: NOW + 100n },
      'not valid now',
    ],
    [
      'an end in the past',
      { validAfter: NOW - 200n, validBefore: NOW - BigInt(SKEW_ALLOWANCE_S) },
      'not valid now',
    ],
  ])('%s', (_name, fields, words, more) => {
    const { code, message } = refusal(() => check(fields, more));
    expect(code).toBe('certificate_refused');
    expect(message).toContain(words);
  });

  test('another CA, and no CA', () => {
    const other = newKey();
    const found = refusal(() => check({}, {}, other));
    expect(found.code).toBe('unexpected_ca');
    expect(found.message).toContain(fingerprint(ed25519PublicBlob(other)));
    expect(found.hint).toContain('openbao.ssh_ca');
    expect(refusal(() => check({}, { expectedCas: [] })).code).toBe('unexpected_ca');
  });

  test('every byte that is changed', () => {
    const blob = writeCertificate(honest, CA);
    for (let at = 0; at < blob.length; at += 1) {
      const changed = Buffer.from(blob);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      const line = `ssh-ed25519-cert-v01@openssh.com ${changed.toString('base64')}`;
      expect(['certificate_refused', 'unexpected_ca', 'bad_certificate']).toContain(
        refusal(() => checkCertificate(line, asked)).code,
      );
    }
  });

  test.each(['', 'x', 'ssh-ed25519-cert-v01@openssh.com', '\0', `ssh-ed25519 ${KEY.toString('base64')}`])(
    'what is no certificate: %j',
    (line) => {
      const { code, message } = refusal(() => checkCertificate(line, asked));
      expect(code).toBe('bad_certificate');
      expect(message).toContain("OpenBao's certificate can't be read");
    },
  );
});
