import { afterAll, describe, expect, it } from 'vitest';
import {
  certificateBlobOf,
  FOREVER,
  isCertificateType,
  plainType,
  verifyCertificate,
} from '../../../src/ssh/certificate.ts';
import { describeCertificate } from '../../../src/ssh/certificate-text.ts';
import { fingerprint, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { Certificates, type Made, PAIRS } from './certificates.ts';
import { codeOf } from './code-of.ts';

// Half an hour of summer time, so that no other zone can pass for the local one. `ssh-keygen -V` ignores it:
// what ssh-keygen prints is the oracle, not what it was asked for.
process.env['TZ'] = 'Australia/Lord_Howe';

const made = new Certificates();
afterAll(() => made.dir.remove());

/** A field of the listing, as ssh-keygen names it. */
function field(listing: string, name: string): string {
  return new RegExp(`^ {8}${name}: (.*)$`, 'm').exec(listing)?.[1] ?? `no ${name}`;
}

/** The indented lines under a title; none where it says "(none)". */
function block(listing: string, title: string): string[] {
  const body = new RegExp(`^ {8}${title}: \\n((?: {16}.*\\n)*)`, 'm').exec(listing)?.[1] ?? '';
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim());
}

function expectSame({ cert, listing }: Made, ca: string, subject: string): void {
  expect(verifyCertificate(cert)).toBe(true);
  expect(describeCertificate(cert)).toBe(listing);
  expect(`${cert.type} ${cert.certType} certificate`).toBe(field(listing, 'Type'));
  expect(field(listing, 'Public key')).toContain(`-CERT ${fingerprint(cert.publicKey)}`);
  expect(field(listing, 'Signing CA')).toContain(
    `${fingerprint(cert.signatureKey)} (using ${cert.signatureType})`,
  );
  expect(`"${cert.keyId}"`).toBe(field(listing, 'Key ID'));
  expect(String(cert.serial)).toBe(field(listing, 'Serial'));
  expect(cert.principals).toEqual(block(listing, 'Principals'));
  const names = (title: string): string[] => block(listing, title).map((line) => line.split(' ')[0] ?? '');
  expect([...cert.criticalOptions.keys()]).toEqual(names('Critical Options'));
  expect([...cert.extensions.keys()]).toEqual(names('Extensions'));
  const subjectLine = parsePublicKeyLine(made.dir.read(`${made.keyFile(subject)}.pub`));
  expect(cert.publicKey.equals(subjectLine.blob)).toBe(true);
  expect(cert.keyType).toBe(subjectLine.type);
  expect(cert.signatureKey.equals(parsePublicKeyLine(made.dir.read(`${made.keyFile(ca)}.pub`)).blob)).toBe(
    true,
  );
  expect(cert.nonce.length).toBe(32);
  expect(cert.reserved.length).toBe(0);
}

describe('parseCertificate, verifyCertificate and describeCertificate agree with ssh-keygen', () => {
  it.each(PAIRS)('CA %s, subject %s', (ca, subject) => {
    expectSame(made.make(ca, subject, ['-I', 'a user', '-n', 'one,two', '-V', '-5m:+1h']), ca, subject);
    expectSame(made.make(ca, subject, ['-h', '-I', 'a host', '-n', 'web1.example.com']), ca, subject);
  });

  it.each(['rsa-sha2-256', 'rsa-sha2-512'])('an RSA CA with %s', (algorithm) => {
    const result = made.make('rsa2048', 'ed25519', ['-t', algorithm, '-I', 'x']);
    expect(result.cert.signatureType).toBe(algorithm);
    expectSame(result, 'rsa2048', 'ed25519');
  });

  it('does not believe an RSA CA with SHA-1', () => {
    const { cert, listing } = made.make('rsa2048', 'ed25519', ['-t', 'ssh-rsa', '-I', 'x']);
    expect(cert.signatureType).toBe('ssh-rsa');
    expect(describeCertificate(cert)).toBe(listing);
    expect(verifyCertificate(cert)).toBe(false);
  });

  const many = Array.from({ length: 256 }, (_, i) => `principal-number-${i}`).join(',');
  it.each([
    ['no principals', ['-I', 'none']],
    ['256 principals', ['-I', 'many', '-n', many]],
    ['the largest serial', ['-I', 'x', '-z', '18446744073709551615']],
    ['a key id of any text', ['-I', 'Ünï "quoted" – 日本 \\ id']],
    ['an empty key id', ['-I', '']],
    ['no options at all', ['-I', 'x', '-O', 'clear']],
    ['one extension', ['-I', 'x', '-O', 'clear', '-O', 'permit-pty']],
    ['no-touch-required', ['-I', 'x', '-O', 'no-touch-required']],
    ['verify-required', ['-I', 'x', '-O', 'verify-required']],
    ...['agent-forwarding', 'port-forwarding', 'pty', 'user-rc', 'X11-forwarding'].map(
      (name) => [`no ${name}`, ['-I', 'x', '-O', `no-${name.toLowerCase()}`]] as const,
    ),
    [
      'every kind of option',
      [
        '-I',
        'x',
        '-O',
        'force-command=/bin/echo "a b" ünï',
        '-O',
        'source-address=10.0.0.0/8,::1/128',
      ].concat(
        [
          '-O',
          'verify-required',
          '-O',
          'critical:own@example.com=a value',
          '-O',
          'critical:zflag@example.com',
        ],
        ['-O', 'extension:own@example.com=another', '-O', 'extension:aflag@example.com'],
      ),
    ],
  ] as const)('%s', (_, args) => {
    expectSame(made.make('ed25519', 'ed25519', args), 'ed25519', 'ed25519');
  });

  it('decodes the values of options', () => {
    const options = ['force-command=ls -l', 'critical:own@example.com=v', 'critical:zflag@example.com'];
    const extensions = ['extension:own@example.com=', 'extension:other@example.com=w'];
    const args = ['clear', ...options, ...extensions].flatMap((option) => ['-O', option]);
    const { cert } = made.make('ed25519', 'ed25519', ['-I', 'x', ...args]);
    expect([...cert.criticalOptions]).toEqual([
      ['force-command', 'ls -l'],
      ['own@example.com', 'v'],
      ['zflag@example.com', ''],
    ]);
    expect([...cert.extensions]).toEqual([
      ['other@example.com', 'w'],
      ['own@example.com', ''],
    ]);
  });

  it.each([
    ['always:forever', /^forever$/],
    ['always:20301224000000', /^before 2030-12-24T\S+$/],
    ['20200101:forever', /^after 2020-01-01T\S+$/],
    ['20240601000000:20240601000001', /^from 2024-06-01T00:00:00 to 2024-06-01T00:00:01$/],
    ['20231231235959:20260704123000', /^from .* to .*$/],
    ['-1w:+52w', /^from .* to .*$/],
    ['always:99990101', /^before 9999-01-01T\S+$/],
  ])('validity %s', (range, words) => {
    const result = made.make('ed25519', 'ed25519', ['-I', 'x', '-V', range]);
    expectSame(result, 'ed25519', 'ed25519');
    const shown = field(result.listing, 'Valid');
    expect(shown).toMatch(words);
    const [from, to] = /after|from/.test(shown)
      ? (shown.match(/\d{4}-\S+/g) ?? [])
      : [undefined, ...(shown.match(/\d{4}-\S+/g) ?? [])];
    const seconds = (text: string | undefined, none: bigint): bigint =>
      text === undefined ? none : BigInt(new Date(text).getTime() / 1000);
    expect(result.cert.validAfter).toBe(seconds(from, 0n));
    expect(result.cert.validBefore).toBe(seconds(to, FOREVER));
  });

  it('says what the validity means at a moment', () => {
    const { cert } = made.make('ed25519', 'ed25519', ['-I', 'x', '-V', '20240601000000:20240601000200']);
    const start = Number(cert.validAfter) * 1000;
    const at = (now: number): string => field(describeCertificate(cert, now), 'Valid');
    expect(at(start - 1)).toMatch(/ \(not yet\)$/);
    expect(at(start)).toMatch(/ \(for another 120 s\)$/);
    expect(at(start + 119_999)).toMatch(/ \(for another 1 s\)$/);
    expect(at(start + 120_000)).toMatch(/ \(expired\)$/);
    const { cert: endless } = made.make('ed25519', 'ed25519', ['-I', 'x']);
    expect(at(0)).not.toBe(field(describeCertificate(endless, 0), 'Valid'));
    expect(field(describeCertificate(endless, 0), 'Valid')).toBe('forever');
  });
});

describe('types and lines', () => {
  it('maps certificate types to plain ones', () => {
    expect(plainType('sk-ssh-ed25519-cert-v01@openssh.com')).toBe('sk-ssh-ed25519@openssh.com');
    expect(plainType('ssh-rsa-cert-v01@openssh.com')).toBe('ssh-rsa');
    expect(isCertificateType('ssh-ed25519-cert-v01@openssh.com')).toBe(true);
    for (const type of ['ssh-ed25519', 'rsa-sha2-512-cert-v01@openssh.com', 'toString', '']) {
      expect(isCertificateType(type)).toBe(false);
      expect(codeOf(() => plainType(type))).toBe('bad_certificate');
    }
  });

  it('certificateBlobOf refuses the line of a plain key', () => {
    expect(codeOf(() => certificateBlobOf(made.dir.read(`${made.keyFile('ed25519')}.pub`)))).toBe(
      'bad_certificate',
    );
    expect(codeOf(() => certificateBlobOf(''))).toBe('malformed');
  });
});
