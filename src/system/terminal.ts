/** The controlling terminal of this process (tty(4), `/dev/tty`). */
import { closeSync, constants, openSync } from 'node:fs';

/** Whether there is one. After a hangup there is none any more. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}
