/** Public keys of other types, made by ssh-keygen. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `type base64` of a new key. */
export function keygenPublic(type: string, bits: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'warden-contract-'));
  try {
    const file = join(dir, 'key');
    execFileSync('ssh-keygen', ['-q', '-t', type, '-b', bits, '-N', '', '-f', file], { timeout: 20_000 });
    return readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
