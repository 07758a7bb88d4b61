import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { type CertificateFields, keyLine, writeCertificate } from '../../../src/lab/certificate-writer.ts';
import { parseCertificate, verifyCertificate } from '../../../src/ssh/certificate.ts';
import { ed25519PublicBlob, fingerprint, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';

const dir = mkdtempSync(join(tmpdir(), 'warden-writer-'));
const ca = generateKeyPairSync('ed25519').privateKey;
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function keygen(...args: readonly string[]): string {
  return execFileSync('ssh-keygen', args, {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: process.env['PATH'], TZ: 'UTC', LC_ALL: 'C' },
  });
}

it.each([['ed25519'], ['ecdsa'], ['rsa']])(
  'ssh-keygen -L reads a certificate for a key of type %s',
  (type) => {
    const file = join(dir, type);
    keygen('-q', '-t', type, '-N', '', '-f', file);
    const { blob, type: keyType } = parsePublicKeyLine(readFileSync(`${file}.pub`, 'utf8'));
    const fields: CertificateFields = {
      publicKey: blob,
      serial: 0xfedcba9876543210n,
      certType: 'user',
      keyId: 'warden-x',
      principals: ['demo', 'ops'],
      validAfter: 1_800_000_000n,
      validBefore: 1_800_000_150n,
      criticalOptions: { 'source-address': '10.0.0.0/8', 'force-command': 'id -u' },
      extensions: { 'permit-user-rc': '', 'permit-pty': '' },
    };
    const certificate = writeCertificate(fields, ca);
    expect(verifyCertificate(parseCertificate(certificate))).toBe(true);
    writeFileSync(`${file}-cert.pub`, `${keyLine(certificate)}\n`);
    const lines = keygen('-L', '-f', `${file}-cert.pub`)
      .split('\n')
      .map((line) => line.trim());
    expect(lines.slice(1)).toEqual([
      `Type: ${keyType}-cert-v01@openssh.com user certificate`,
      `Public key: ${type.toUpperCase()}-CERT ${fingerprint(blob)}`,
      `Signing CA: ED25519 ${fingerprint(ed25519PublicBlob(ca))} (using ssh-ed25519)`,
      'Key ID: "warden-x"',
      'Serial: 18364758544493064720',
      'Valid: from 2027-01-15T08:00:00 to 2027-01-15T08:02:30',
      'Principals:',
      'demo',
      'ops',
      'Critical Options:',
      'force-command id -u',
      'source-address 10.0.0.0/8',
      'Extensions:',
      'permit-pty',
      'permit-user-rc',
      '',
    ]);
  },
);
