/** Certificates made by ssh-keygen: every kind of CA, every kind of subject, and what ssh-keygen says about the result. */
import { type Certificate, certificateBlobOf, parseCertificate } from '../../../src/ssh/certificate.ts';
import { KeyDirectory, KINDS, keygen } from './keygen.ts';
import { securityKey } from './security-key.ts';

export const SUBJECTS = [...KINDS, 'sk-ed25519', 'sk-ecdsa'] as const;
/** CA and subject: each of them at least once. */
export const PAIRS = SUBJECTS.map((subject, i) => [KINDS[i % KINDS.length] ?? 'ed25519', subject] as const);

export interface Made {
  readonly cert: Certificate;
  readonly blob: Buffer;
  /** `ssh-keygen -L` without its first line, the file's name. */
  readonly listing: string;
}

export class Certificates {
  readonly dir = new KeyDirectory();
  readonly #keys = new Map<string, string>();

  /** Makes the keys: slow (RSA), so once for a file of tests. */
  constructor() {
    for (const kind of KINDS) this.#keys.set(kind, this.dir.key(kind));
    for (const kind of ['ed25519', 'ecdsa'] as const) {
      const { type, blob } = securityKey(kind);
      const file = this.dir.write(`sk-${kind}.pub`, `${type} ${blob.toString('base64')} sk\n`);
      this.#keys.set(`sk-${kind}`, file.replace(/\.pub$/, ''));
    }
  }

  keyFile(name: string): string {
    const file = this.#keys.get(name);
    if (file === undefined) throw new Error(`no key ${name}`);
    return file;
  }

  make(ca: string, subject: string, args: readonly string[]): Made {
    const file = this.dir.certificate(this.keyFile(ca), this.keyFile(subject), args);
    const blob = certificateBlobOf(this.dir.read(file));
    const listing = keygen(['-L', '-f', file]);
    return { blob, cert: parseCertificate(blob), listing: listing.slice(listing.indexOf('\n') + 1) };
  }
}
