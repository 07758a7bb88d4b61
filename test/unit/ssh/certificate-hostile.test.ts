import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_CERTIFICATE, parseCertificate, verifyCertificate } from '../../../src/ssh/certificate.ts';
import { describeCertificate } from '../../../src/ssh/certificate-text.ts';
import { ed25519PublicBlob } from '../../../src/ssh/public-key.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { build, option, type Parts, text } from './certificate-builder.ts';
import { Certificates, PAIRS } from './certificates.ts';
import { codeOf } from './code-of.ts';
import { keygen } from './keygen.ts';

const made = new Certificates();
afterAll(() => made.dir.remove());

describe('hostile certificates', () => {
  it.each(PAIRS)('every truncation and every trailing byte is refused: CA %s, subject %s', (ca, subject) => {
    const { blob } = made.make(ca, subject, ['-I', 'x', '-n', 'a,b', '-O', 'force-command=ls']);
    for (let length = 0; length < blob.length; length++) {
      const code = codeOf(() => parseCertificate(blob.subarray(0, length)));
      expect(code, `${length} of ${blob.length}`).toMatch(/^(malformed|bad_certificate|bad_key)$/);
    }
    expect(codeOf(() => parseCertificate(Buffer.concat([blob, Buffer.from([0])])))).toBe('malformed');
  });

  it.each(PAIRS)('a flipped bit does not parse or does not verify: CA %s, subject %s', (ca, subject) => {
    const { blob } = made.make(ca, subject, ['-I', 'x', '-n', 'a,b', '-O', 'force-command=ls']);
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

  it('the builder makes good ones, by ssh-keygen too', () => {
    const blob = build({ critical: [option('force-command', text('ls'))] });
    const cert = parseCertificate(blob);
    expect(verifyCertificate(cert)).toBe(true);
    const line = `ssh-ed25519-cert-v01@openssh.com ${blob.toString('base64')}\n`;
    expect(keygen(['-L', '-f', made.dir.write('built.pub', line)])).toContain(describeCertificate(cert));
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
