/** Which boot of the machine this is, so that a record's monotonic time can be compared with others of the same boot. */
import { readFileSync } from 'node:fs';

let known: string | undefined;

/** The kernel's boot id (a UUID), or `unknown` where there is no /proc. */
export function bootId(): string {
  if (known === undefined) {
    try {
      known = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      known = 'unknown';
    }
  }
  return known;
}
