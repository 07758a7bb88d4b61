/** The daemon of one session ends with it: the launcher has become that ssh, so its process is known. */
import { startTimeOf } from '../src/system/peer.ts';

const LOOK_EVERY_MS = 500;

/** Where there is no /proc: whether any process has this id. */
function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Calls `onEnd` once process `pid` has gone. */
export function followProcess(pid: number, onEnd: () => void): void {
  const startTime = startTimeOf(pid);
  const timer = setInterval(() => {
    if (
      process.platform === 'linux' ? startTime !== undefined && startTimeOf(pid) === startTime : exists(pid)
    )
      return;
    clearInterval(timer);
    onEnd();
  }, LOOK_EVERY_MS);
}
