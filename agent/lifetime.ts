/** The daemon of one session ends with it: the launcher has become that ssh, so its process is known. */
import { startTimeOf } from '../src/system/peer.ts';

const LOOK_EVERY_MS = 500;

/** Calls `onEnd` once process `pid` has gone. */
export function followProcess(pid: number, onEnd: () => void): void {
  const startTime = startTimeOf(pid);
  const timer = setInterval(() => {
    if (startTimeOf(pid) === startTime && startTime !== undefined) return;
    clearInterval(timer);
    onEnd();
  }, LOOK_EVERY_MS);
}
