/** ssh-keygen as the oracle: keys, certificates and signatures made by it, in a directory that `remove` deletes. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const KEY_KINDS = {
  ed25519: ['-t', 'ed25519'],
  ecdsa256: ['-t', 'ecdsa', '-b', '256'],
  ecdsa384: ['-t', 'ecdsa', '-b', '384'],
  ecdsa521: ['-t', 'ecdsa', '-b', '521'],
  rsa2048: ['-t', 'rsa', '-b', '2048'],
  rsa3072: ['-t', 'rsa', '-b', '3072'],
} as const;
export type KeyKind = keyof typeof KEY_KINDS;
export const KINDS: readonly KeyKind[] = [
  'ed25519',
  'ecdsa256',
  'ecdsa384',
  'ecdsa521',
  'rsa2048',
  'rsa3072',
];

/** Runs ssh-keygen; its output, without a locale and in this process's time zone. */
export function keygen(args: readonly string[], input = ''): string {
  const env = { ...process.env, LC_ALL: 'C' };
  return execFileSync('ssh-keygen', args, { input, env, encoding: 'utf8', timeout: 20_000, stdio: 'pipe' });
}

export class KeyDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'warden-ssh-'));
  #count = 0;

  /** Makes a key without a passphrase; returns the path of its private file. */
  key(kind: KeyKind, name: string = kind): string {
    const file = join(this.path, name);
    keygen(['-q', ...KEY_KINDS[kind], '-N', '', '-C', `${name} comment`, '-f', file]);
    return file;
  }

  /** Has `ca` sign `key`.pub; returns the path of a certificate of its own name. */
  certificate(ca: string, key: string, args: readonly string[]): string {
    const copy = join(this.path, `signed${++this.#count}`);
    writeFileSync(`${copy}.pub`, readFileSync(`${key}.pub`));
    keygen(['-q', '-s', ca, ...args, `${copy}.pub`]);
    return `${copy}-cert.pub`;
  }

  read(file: string): string {
    return readFileSync(file, 'utf8');
  }

  write(name: string, content: string | Buffer): string {
    const file = join(this.path, name);
    writeFileSync(file, content);
    return file;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
