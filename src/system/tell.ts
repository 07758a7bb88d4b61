/**
 * One line to the person whose ssh is asking: ssh gives an agent no channel to the person, so warden writes to the standard
 * error of the process that connected, found through /proc. Only a terminal of the daemon's own user, or (where the caller has
 * nothing else to show) a pipe; never a file, never another user's, never waiting.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { sanitizeLine } from './sanitize.ts';

/**
 * Writes `warden: text` to the standard error of process `pid`. `allowPipe` is for callers that will see no other reason.
 * Returns whether it was written; a full or closed terminal is not an error.
 */
export function tellProcess(pid: number, text: string, allowPipe: boolean): boolean {
  let fd: number | undefined;
  try {
    fd = openSync(`/proc/${pid}/fd/2`, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
    const target = fstatSync(fd);
    const terminal = isatty(fd);
    if (target.uid !== process.getuid?.()) return false;
    if (!terminal && !(allowPipe && target.isFIFO())) return false;
    // ssh may have put the terminal into raw mode, where a line feed alone does not go back to the margin.
    writeSync(fd, `warden: ${sanitizeLine(text)}${terminal ? '\r\n' : '\n'}`);
    return true;
  } catch {
    return false;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
