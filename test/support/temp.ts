/**
 * Temporary directories for tests: 0700, with paths short enough for Unix sockets (unix(7): sun_path holds 107 bytes and a NUL),
 * removed by `remove()` or, where a test forgot, when its process ends.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The longest path of a Unix socket, in bytes. */
export const MAX_SOCKET_PATH = 107;
/** Past this a TMPDIR leaves no room for a socket's name below it. */
const MAX_BASE = 40;

const living = new Set<string>();
process.once('exit', () => {
  for (const path of living) rmSync(path, { recursive: true, force: true });
});

export interface TempDirectory {
  readonly path: string;
  /** The path of `name` inside; makes nothing. */
  join(...names: readonly string[]): string;
  /** Writes a file (mode 0600 unless given) and returns its path. */
  write(name: string, content: string | Buffer, mode?: number): string;
  /** A path inside for a socket. Throws where it is longer than a socket's path may be. */
  socket(name: string): string;
  /** Deletes the directory and all that is in it; once more does no harm. */
  remove(): void;
}

/** Makes a directory that only its owner can enter, below TMPDIR or, where that path is long, below /tmp. */
export function tempDirectory(prefix = 'wt-'): TempDirectory {
  const base = Buffer.byteLength(tmpdir()) > MAX_BASE ? '/tmp' : tmpdir();
  const path = mkdtempSync(join(base, prefix));
  living.add(path);
  return {
    path,
    join: (...names) => join(path, ...names),
    write(name, content, mode = 0o600) {
      const file = join(path, name);
      writeFileSync(file, content, { mode });
      // The mode above passes through the umask, and does nothing to a file that is there already.
      chmodSync(file, mode);
      return file;
    },
    socket(name) {
      const file = join(path, name);
      if (Buffer.byteLength(file) > MAX_SOCKET_PATH) throw new Error(`${file} is too long for a socket`);
      return file;
    },
    remove() {
      living.delete(path);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
