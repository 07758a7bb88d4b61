/** known_hosts lines as ssh writes them (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"); hashing is ssh-keygen's own. */
import { rmSync } from 'node:fs';
import { mustRun } from './process.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';

/** The name that ssh stores for a host on a port: `host`, or `[host]:port` where the port is not 22. */
export function hostName(host: string, port = 22): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

/** One line. `publicKey` is a public key line; its comment is left out. */
export function knownHostsLine(
  names: readonly string[],
  publicKey: string,
  marker?: '@cert-authority' | '@revoked',
): string {
  const [type = '', blob = ''] = publicKey.trim().split(/\s+/);
  return [...(marker === undefined ? [] : [marker]), names.join(','), type, blob].join(' ');
}

/** Writes a file of the lines and returns its path. Hashed: each name of each line by `ssh-keygen -H` (patterns and markers stay as they are). */
export async function writeKnownHosts(
  directory: TempDirectory,
  lines: readonly string[],
  options: { readonly hashed?: boolean; readonly name?: string } = {},
): Promise<string> {
  const file = directory.write(options.name ?? 'known_hosts', lines.map((line) => `${line}\n`).join(''));
  if (options.hashed) {
    await mustRun('ssh-keygen', ['-q', '-H', '-f', file]);
    // The names in clear text, which ssh-keygen keeps beside the hashed file.
    rmSync(`${file}.old`);
  }
  return file;
}

/** The lines hashed, for a test that writes its own file. */
export async function hashedLines(lines: readonly string[]): Promise<string[]> {
  const directory = tempDirectory();
  try {
    const file = await writeKnownHosts(directory, lines, { hashed: true });
    return (await mustRun('cat', [file])).split('\n').filter((line) => line !== '');
  } finally {
    directory.remove();
  }
}
