/** A temporary directory with keys and certificates made by ssh-keygen: the tests' oracle and their material. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestKey {
  /** Path of the private key; the public one is beside it. */
  readonly path: string;
  /** `type base64`. */
  readonly line: string;
  readonly blob: Buffer;
}

export class Workspace {
  readonly path = mkdtempSync(join(tmpdir(), 'warden-destination-'));

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  file(name: string, content: string | Buffer): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  key(name: string, type = 'ed25519'): TestKey {
    const path = join(this.path, name);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', path]);
    return readPublic(path, `${path}.pub`);
  }

  /** A host certificate for `key`, signed by `ca`; options as ssh-keygen takes them. */
  certificate(ca: TestKey, key: TestKey, options: readonly string[]): Buffer {
    execFileSync('ssh-keygen', ['-q', '-s', ca.path, '-I', 'id', ...options, `${key.path}.pub`]);
    return readPublic(key.path, `${key.path}-cert.pub`).blob;
  }
}

function readPublic(path: string, publicPath: string): TestKey {
  const [type = '', base64 = ''] = readFileSync(publicPath, 'utf8').split(' ');
  return { path, line: `${type} ${base64.trim()}`, blob: Buffer.from(base64, 'base64') };
}

/** The lines that ssh-keygen finds for a name, without its comments. */
export function keygenFinds(name: string, file: string): string[] {
  const { stdout, error } = spawnSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** `ssh -G` with these arguments: keyword to value, or undefined where ssh refuses. */
export function sshPrints(args: readonly string[]): Map<string, string> | undefined {
  const { stdout, status, error } = spawnSync('ssh', ['-G', ...args], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) return undefined;
  const lines = stdout.split('\n').map((line): [string, string] => {
    const space = line.indexOf(' ');
    return [line.slice(0, space), line.slice(space + 1)];
  });
  return new Map(lines.reverse());
}
