/**
 * The pause after a failure (design.md, "Deadlines"): when OpenBao could not be asked, further logins are answered at once for ten
 * seconds instead of each waiting for its own deadline, while one probe at a time looks whether it is back.
 */
import { type ErrorCode, WardenError } from '../errors.ts';
import type { Clock } from '../system/clock.ts';

export const PAUSE_MS = 10_000;
export const PROBE_EVERY_MS = 1_000;
const PROBE_DEADLINE_MS = 1_000;

/** Failures of the server or the way to it, not of one request. */
const PAUSING: ReadonlySet<ErrorCode> = new Set([
  'bao_unreachable',
  'bao_disconnected',
  'bao_timeout',
  'bao_sealed',
  'bao_unavailable',
  'bao_bad_answer',
]);

export interface Pause {
  /** Throws `bao_paused` while paused. */
  check(): void;
  /** Tells of a failed mint: a failure of the server's begins a pause. */
  failed(error: WardenError): void;
  /** What began the present pause, or undefined. */
  reason(): WardenError | undefined;
  close(): void;
}

/** `probe` says whether the server can serve again, and never throws; it is called at most once a second and only while paused. */
export function createPause(clock: Clock, probe: (deadlineMs: number) => Promise<boolean>): Pause {
  let current: { readonly cause: WardenError; readonly untilNs: bigint } | undefined;
  let timer: NodeJS.Timeout | undefined;
  const reason = () =>
    current !== undefined && clock.monotonicNs() < current.untilNs ? current.cause : undefined;
  const end = () => {
    current = undefined;
    clearTimeout(timer);
  };
  const look = async () => {
    const begun = current;
    const back = await probe(PROBE_DEADLINE_MS);
    // Closed, or another pause by now, which has its own probes.
    if (current !== begun) return;
    // A server that answers health checks may still be too slow to sign: after a timeout only time ends the pause.
    if (reason() === undefined || (back && current?.cause.code !== 'bao_timeout')) end();
    else schedule();
  };
  const schedule = () => {
    timer = setTimeout(() => void look(), PROBE_EVERY_MS);
    timer.unref();
  };
  return {
    check() {
      const cause = reason();
      if (cause === undefined) return;
      throw new WardenError('bao_paused', `OpenBao failed a moment ago: ${cause.message}`, {
        hint: cause.hint,
        cause,
      });
    },
    failed(error) {
      if (!PAUSING.has(error.code) || reason() !== undefined) return;
      end();
      current = { cause: error, untilNs: clock.monotonicNs() + BigInt(PAUSE_MS) * 1_000_000n };
      schedule();
    },
    reason,
    close: end,
  };
}
