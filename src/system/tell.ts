/**
 * One line to the person whose ssh is asking: ssh gives an agent no channel to the person, so warden writes to the standard
 * error of the process that connected, found through /proc. Only a terminal of the daemon's own user, or (where the caller has
 * nothing else to show) a pipe; never a file, never another user's, never waiting.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { sanitizeLine } from './sanitize.ts';

/** What can go to a terminal whole, however long: printable ASCII. */
const ADDRESS = /^[\x21-\x7e]{1,8192}$/;

/** What `use` makes of the standard error of process `pid`, which is our user's; false where it can't be opened. */
function atStandardError(pid: number, use: (fd: number, isTerminal: boolean) => boolean): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/fd/2`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    return fstatSync(fd).uid === process.getuid?.() && use(fd, isatty(fd));
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whether the standard error of process `pid` is a terminal that can be written to. */
export function hasTerminalAt(pid: number): boolean {
  return atStandardError(pid, (_fd, isTerminal) => isTerminal);
}

/**
 * Writes `warden: text`, and `address` whole on a line of its own, to the standard error of process `pid`. `allowPipe` is for callers that
 * will see no other reason. Returns whether it was written; a full or closed terminal is not an error.
 */
export function tellProcess(pid: number, text: string, allowPipe: boolean, address?: string): boolean {
  return atStandardError(pid, (fd, isTerminal) => {
    if (!isTerminal && !(allowPipe && fstatSync(fd).isFIFO())) return false;
    // ssh may have put the terminal into raw mode, where a line feed alone does not go back to the margin.
    writeSync(fd, toldLines(text, address, isTerminal ? '\r\n' : '\n'));
    return true;
  });
}

/** The lines that a person is told, each with its end. */
export function toldLines(text: string, address: string | undefined, end = '\n'): string {
  const whole = address !== undefined && ADDRESS.test(address) ? `${address}${end}` : '';
  return `warden: ${sanitizeLine(text)}${end}${whole}`;
}
