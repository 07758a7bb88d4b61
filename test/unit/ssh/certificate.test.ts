import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WardenError } from '../../../src/errors.ts';
import {
  type Certificate,
  certificateBlobOf,
  FOREVER,
  isCertificateType,
  MAX_CERTIFICATE,
  parseCertificate,
  plainType,
  verifyCertificate,
} from '../../../src/ssh/certificate.ts';
import { describeCertificate } from '../../../src/ssh/certificate-text.ts';
import { ed25519PublicBlob, fingerprint, parsePublicKeyLine } from '../../../src/ssh/public-key.ts';
import { encodeSignature } from '../../../src/ssh/signature.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { KeyDirectory, KINDS, keygen } from './keygen.ts';
import { securityKey } from './security-key.ts';

// An odd offset, so that a UTC time can't pass for a local one, and half an hour of summer time (which `ssh-keygen -V` ignores: what
// it prints is the oracle, not what it was asked for).
process.env['TZ'] = 'Australia/Lord_Howe';

const dir = new KeyDirectory();
const keys = new Map<string, string>();
beforeAll(() => {
  for (const kind of KINDS) keys.set(kind, dir.key(kind));
  for (const kind of ['ed25519', 'ecdsa'] as const) {
    const { type, blob } = securityKey(kind);
    const file = dir.write(`sk-${kind}.pub`, `${type} ${blob.toString('base64')} sk\n`);
    keys.set(`sk-${kind}`, file.replace(/\.pub$/, ''));
  }
}, 60_000);
afterAll(() => dir.remove());

function keyFile(name: string): string {
  const file = keys.get(name);
  if (file === undefined) throw new Error(`no key ${name}`);
  return file;
}

interface Made {
  readonly cert: Certificate;
  readonly blob: Buffer;
  /** `ssh-keygen -L` without its first line, the file's name. */
  readonly listing: string;
}

function make(ca: string, subject: string, args: readonly string[]): Made {
  const file = dir.certificate(keyFile(ca), keyFile(subject), args);
  const blob = certificateBlobOf(dir.read(file));
  const listing = keygen(['-L', '-f', file]);
  return { blob, cert: parseCertificate(blob), listing: listing.slice(listing.indexOf('\n') + 1) };
}

/** The WardenError's code, or what else happened. */
function codeOf(act: () => unknown): string {
  try {
    act();
    return 'accepted';
  } catch (thrown) {
    return thrown instanceof WardenError ? thrown.code : `not a WardenError: ${String(thrown)}`;
  }
}

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
  const subjectLine = parsePublicKeyLine(dir.read(`${keyFile(subject)}.pub`));
  expect(cert.publicKey.equals(subjectLine.blob)).toBe(true);
  expect(cert.keyType).toBe(subjectLine.type);
  expect(cert.signatureKey.equals(parsePublicKeyLine(dir.read(`${keyFile(ca)}.pub`)).blob)).toBe(true);
  expect(cert.nonce.length).toBe(32);
  expect(cert.reserved.length).toBe(0);
}

const SUBJECTS = [...KINDS, 'sk-ed25519', 'sk-ecdsa'] as const;
/** Each CA and each subject at least once, as a user's and as a host's. */
const PAIRS = SUBJECTS.map((subject, i) => [KINDS[i % KINDS.length] ?? 'ed25519', subject] as const);

describe('parseCertificate, verifyCertificate and describeCertificate agree with ssh-keygen', () => {
  it.each(PAIRS)('CA %s, subject %s', (ca, subject) => {
    expectSame(make(ca, subject, ['-I', 'a user', '-n', 'one,two', '-V', '-5m:+1h']), ca, subject);
    expectSame(make(ca, subject, ['-h', '-I', 'a host', '-n', 'web1.example.com']), ca, subject);
  });

  it.each(['rsa-sha2-256', 'rsa-sha2-512'])('an RSA CA with %s', (algorithm) => {
    const made = make('rsa2048', 'ed25519', ['-t', algorithm, '-I', 'x']);
    expect(made.cert.signatureType).toBe(algorithm);
    expectSame(made, 'rsa2048', 'ed25519');
  });

  it('does not believe an RSA CA with SHA-1', () => {
    const { cert, listing } = make('rsa2048', 'ed25519', ['-t', 'ssh-rsa', '-I', 'x']);
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
    expectSame(make('ed25519', 'ed25519', args), 'ed25519', 'ed25519');
  });

  it('decodes the values of options', () => {
    const options = ['force-command=ls -l', 'critical:own@example.com=v', 'critical:zflag@example.com'];
    const extensions = ['extension:own@example.com=', 'extension:other@example.com=w'];
    const args = ['clear', ...options, ...extensions].flatMap((option) => ['-O', option]);
    const { cert } = make('ed25519', 'ed25519', ['-I', 'x', ...args]);
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
    const made = make('ed25519', 'ed25519', ['-I', 'x', '-V', range]);
    expectSame(made, 'ed25519', 'ed25519');
    const shown = field(made.listing, 'Valid');
    expect(shown).toMatch(words);
    const [from, to] = /after|from/.test(shown)
      ? (shown.match(/\d{4}-\S+/g) ?? [])
      : [undefined, ...(shown.match(/\d{4}-\S+/g) ?? [])];
    const seconds = (text: string | undefined, none: bigint): bigint =>
      text === undefined ? none : BigInt(new Date(text).getTime() / 1000);
    expect(made.cert.validAfter).toBe(seconds(from, 0n));
    expect(made.cert.validBefore).toBe(seconds(to, FOREVER));
  });

  it('says what the validity means at a moment', () => {
    const { cert } = make('ed25519', 'ed25519', ['-I', 'x', '-V', '20240601000000:20240601000200']);
    const start = Number(cert.validAfter) * 1000;
    const at = (now: number): string => field(describeCertificate(cert, now), 'Valid');
    expect(at(start - 1)).toMatch(/ \(not yet\)$/);
    expect(at(start)).toMatch(/ \(for another 120 s\)$/);
    expect(at(start + 119_999)).toMatch(/ \(for another 1 s\)$/);
    expect(at(start + 120_000)).toMatch(/ \(expired\)$/);
    const { cert: endless } = make('ed25519', 'ed25519', ['-I', 'x']);
    expect(at(0)).not.toBe(field(describeCertificate(endless, 0), 'Valid'));
    expect(field(describeCertificate(endless, 0), 'Valid')).toBe('forever');
  });
});

describe('hostile certificates', () => {
  it.each(PAIRS)('every truncation and every trailing byte is refused: CA %s, subject %s', (ca, subject) => {
    const { blob } = make(ca, subject, ['-I', 'x', '-n', 'a,b', '-O', 'force-command=ls']);
    for (let length = 0; length < blob.length; length++) {
      const code = codeOf(() => parseCertificate(blob.subarray(0, length)));
      expect(code, `${length} of ${blob.length}`).toMatch(/^(malformed|bad_certificate|bad_key)$/);
    }
    expect(codeOf(() => parseCertificate(Buffer.concat([blob, Buffer.from([0])])))).toBe('malformed');
  });

  it.each(PAIRS)('a flipped bit does not parse or does not verify: CA %s, subject %s', (ca, subject) => {
    const { blob } = make(ca, subject, ['-I', 'x', '-n', 'a,b', '-O', 'force-command=ls']);
    const step = ca === 'ecdsa521' || ca === 'ecdsa384' ? 7 : 1;
    for (let i = 0; i < blob.length; i += step) {
      const copy = Buffer.from(blob);
      copy[i] = (copy[i] ?? 0) ^ (1 << (i % 8));
      const code = codeOf(() => {
        expect(verifyCertificate(parseCertificate(copy)), `byte ${i}`).toBe(false);
      });
      expect(code).not.toContain('not a WardenError');
    }
  });

  const ca = generateKeyPairSync('ed25519').privateKey;
  const caBlob = ed25519PublicBlob(ca);
  const option = (name: string, data: Buffer): Buffer => new Writer().string(name).string(data).done();
  const text = (value: string): Buffer => new Writer().string(value).done();
  interface Parts {
    readonly type?: string;
    readonly kind?: number;
    readonly keyId?: Buffer | string;
    readonly principals?: readonly string[];
    readonly critical?: readonly Buffer[];
    readonly extensions?: readonly Buffer[];
    readonly authority?: Buffer;
  }
  /** A certificate with a right signature, whatever stands in it. */
  function build(parts: Parts): Buffer {
    const writer = new Writer()
      .string(parts.type ?? 'ssh-ed25519-cert-v01@openssh.com')
      .string(Buffer.alloc(32, 1))
      .string(Buffer.alloc(32, 2))
      .u64(1n)
      .u32(parts.kind ?? 1)
      .string(parts.keyId ?? 'id')
      .string(Buffer.concat((parts.principals ?? ['a']).map(text)))
      .u64(0n)
      .u64(FOREVER)
      .string(Buffer.concat(parts.critical ?? []))
      .string(Buffer.concat(parts.extensions ?? []))
      .string('')
      .string(parts.authority ?? caBlob);
    const signed = writer.done();
    return new Writer()
      .raw(signed)
      .string(encodeSignature('ssh-ed25519', sign(null, signed, ca)))
      .done();
  }

  it('the builder makes good ones, by ssh-keygen too', () => {
    const blob = build({ critical: [option('force-command', text('ls'))] });
    const cert = parseCertificate(blob);
    expect(verifyCertificate(cert)).toBe(true);
    const line = `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}\n`;
    expect(keygen(['-L', '-f', dir.write('built.pub', line)])).toContain(describeCertificate(cert));
  });

  it.each<[string, Parts, string]>([
    ['kind 0', { kind: 0 }, 'bad_certificate'],
    ['kind 3', { kind: 3 }, 'bad_certificate'],
    ['257 principals', { principals: Array.from({ length: 257 }, (_, i) => `p${i}`) }, 'bad_certificate'],
    ['a principal with NUL', { principals: ['root\0x'] }, 'malformed'],
    ['a key id with NUL', { keyId: 'a\0b' }, 'malformed'],
    ['a key id that is not UTF-8', { keyId: Buffer.from([0xc3, 0x28]) }, 'malformed'],
    ['an unknown type', { type: 'ssh-dss-cert-v01@openssh.com' }, 'bad_certificate'],
    ['the old format', { type: 'ssh-rsa-cert-v00@openssh.com' }, 'bad_certificate'],
    ['a plain type', { type: 'ssh-ed25519' }, 'bad_certificate'],
    ['a CA that is a certificate', { authority: build({}) }, 'bad_certificate'],
    ['a CA of an unknown type', { authority: text('ssh-dss') }, 'bad_key'],
    ['no CA', { authority: Buffer.alloc(0) }, 'malformed'],
    [
      'options out of order',
      { extensions: [option('permit-pty', Buffer.alloc(0)), option('a', Buffer.alloc(0))] },
      'bad_certificate',
    ],
    [
      'an option twice',
      { critical: [option('force-command', text('ls')), option('force-command', text('sh'))] },
      'bad_certificate',
    ],
    [
      'force-command without a value',
      { critical: [option('force-command', Buffer.alloc(0))] },
      'bad_certificate',
    ],
    [
      'force-command as bare bytes',
      { critical: [option('force-command', Buffer.from('ls'))] },
      'bad_certificate',
    ],
    [
      'source-address with two values',
      { critical: [option('source-address', Buffer.concat([text('a'), text('b')]))] },
      'bad_certificate',
    ],
    ['half an option', { extensions: [text('permit-pty')] }, 'malformed'],
    ['too much of everything', { keyId: 'x'.repeat(MAX_CERTIFICATE) }, 'limit_exceeded'],
  ])('%s', (_, parts, code) => {
    expect(codeOf(() => parseCertificate(build(parts)))).toBe(code);
  });

  it('keeps what is not one string as hex, and escapes control characters for terminals', () => {
    const cert = parseCertificate(
      build({
        keyId: '\u001b[2Jgone\u009b\n        Serial: 9',
        principals: ['a\rb'],
        extensions: [option('raw@example.com', Buffer.from('cafe', 'hex'))],
      }),
    );
    expect(cert.extensions.get('raw@example.com')).toBe('0xcafe');
    const lines = describeCertificate(cert).split('\n');
    expect(lines).toContain('        Key ID: "\\033[2Jgone\\233\\012        Serial: 9"');
    expect(lines).toContain('                a\\015b');
    expect(lines).toContain('                raw@example.com UNKNOWN OPTION: cafe (len 2)');
  });

  it('another CA in the place of the signer does not verify', () => {
    const other = ed25519PublicBlob(generateKeyPairSync('ed25519').publicKey);
    expect(verifyCertificate(parseCertificate(build({ authority: other })))).toBe(false);
  });

  it('does not follow later changes of the buffer that it was given', () => {
    const blob = build({});
    const cert = parseCertificate(blob);
    blob.fill(0);
    expect(verifyCertificate(cert)).toBe(true);
  });

  it('nothing throws anything but a WardenError', () => {
    const good = build({ critical: [option('force-command', text('ls'))] });
    const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edits, (changes) => {
        const copy = Buffer.from(good);
        for (const [at, value] of changes) copy[at] = value;
        const code = codeOf(() => {
          const cert = parseCertificate(copy);
          verifyCertificate(cert);
          describeCertificate(cert, 0);
        });
        expect(code).not.toContain('not a WardenError');
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const head = new Writer()
          .string('ecdsa-sha2-nistp256-cert-v01@openssh.com')
          .raw(Buffer.from(bytes))
          .done();
        expect(codeOf(() => parseCertificate(Buffer.from(bytes)))).not.toMatch(/accepted|not a WardenError/);
        expect(codeOf(() => parseCertificate(head))).not.toMatch(/accepted|not a WardenError/);
      }),
    );
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
    expect(codeOf(() => certificateBlobOf(dir.read(`${keyFile('ed25519')}.pub`)))).toBe('bad_certificate');
    expect(codeOf(() => certificateBlobOf(''))).toBe('malformed');
  });
});
