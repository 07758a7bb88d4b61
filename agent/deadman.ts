/**
 * A deadman (design.md, Decisions): an event loop that is stuck would hang every ssh of the user, so the kernel ends the process
 * instead, by the default action of SIGALRM. Whoever started the daemon starts it again.
 *
 * On Linux alarm(2) runs on CLOCK_MONOTONIC, as the loop's timers do, and that clock stands still while a laptop sleeps: waking up
 * is no stuck loop. It runs on while the process is stopped: after SIGSTOP, Ctrl-Z or a debugger of more than DEAD_AFTER_S the
 * daemon ends as soon as it goes on. A fork has no alarm, so children are left alone. Elsewhere the sleep has not been tried.
 */
import { libc } from '../src/system/libc.ts';

/** Longer than any work that the loop does in one piece, by far; shorter than anybody waits for an ssh. */
export const DEAD_AFTER_S = 8;
/** Each renewal wakes an idle daemon. */
const RENEW_EVERY_MS = 2_500;

/** Arms the deadman for the rest of the process; each time that it is renewed, `alive` is called. Without the C library there is none. */
export function armDeadman(alive: () => void): void {
  const c = libc();
  if (c === undefined) return;
  const renew = () => {
    c.alarm(DEAD_AFTER_S);
    alive();
  };
  renew();
  setInterval(renew, RENEW_EVERY_MS).unref();
}
