/**
 * A dropped key must leave the heap (promise 4), but a KeyObject's memory is freed by the garbage collector, and a quiet daemon
 * may not collect for hours. So a collection is forced soon after a key was dropped: one for all keys dropped meanwhile.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Promise 4 says a second; the collection itself needs some of it. */
export const WIPE_DELAY_MS = 700;

function collector(): () => void {
  // `gc` exists only in contexts made while the flag is set: the daemon's own context never gets it.
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof gc !== 'function') throw new Error('no garbage collector to call');
  return () => Reflect.apply(gc, undefined, []);
}

export interface Wiper {
  /** Says that a key was dropped: within WIPE_DELAY_MS the heap is collected. */
  dropped(): void;
  /** Collects now if a key was dropped since. */
  close(): void;
}

export function createWiper(): Wiper {
  const collect = collector();
  let timer: NodeJS.Timeout | undefined;
  const wipe = () => {
    timer = undefined;
    collect();
  };
  return {
    dropped() {
      timer ??= setTimeout(wipe, WIPE_DELAY_MS).unref();
    },
    close() {
      if (timer === undefined) return;
      clearTimeout(timer);
      wipe();
    },
  };
}
