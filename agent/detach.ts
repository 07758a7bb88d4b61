/**
 * Leaving the terminal without a second process: the launcher starts the daemon in a command substitution, the daemon prints
 * where it listens, then lets go of the descriptors that it was given, and the launcher goes on.
 */
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { libc } from '../src/system/libc.ts';

/** Writes `line` to standard output, then makes standard input, output and error /dev/null and the process a session of its own. */
export function detach(line: string): void {
  writeSync(1, `${line}\n`);
  libc()?.setsid();
  // As ssh-agent does: no directory is kept busy. Every path was made absolute when the configuration was read.
  process.chdir('/');
  for (const fd of [0, 1, 2]) {
    closeSync(fd);
    // open(2) takes the lowest free descriptor: the one just closed. Nothing else opens files at this moment.
    openSync('/dev/null', fd === 0 ? 'r' : 'w');
  }
  // Node opens a terminal once more for a stream that somebody has looked at (libuv, uv_tty_init): who waits for it to close would wait for ever.
  for (const fd of readdirSync('/dev/fd').map(Number)) if (isatty(fd)) libc()?.dup2(0, fd);
}
