import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ErrorCode, WardenError } from '../../../src/errors.ts';
import { createPause, PAUSE_MS, PROBE_EVERY_MS } from '../../../src/openbao/pause.ts';
import type { Clock } from '../../../src/system/clock.ts';

let ms = 0;
const clock: Clock = { now: () => ms, monotonicNs: () => BigInt(ms) * 1_000_000n };

beforeEach(() => {
  ms = 1_000;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets time pass for the clock and the timers alike. */
async function pass(by: number): Promise<void> {
  for (let left = by; left > 0; left -= 100) {
    ms += 100;
    await vi.advanceTimersByTimeAsync(100);
  }
}

function failure(code: ErrorCode, message = 'it failed'): WardenError {
  return new WardenError(code, message, { hint: 'mend it' });
}

describe('a pause', () => {
  test('begins with a failure of the server, says why and what to do, and ends after ten seconds', async () => {
    const pause = createPause(clock, async () => false);
    pause.check();
    pause.failed(failure('bao_sealed', 'sealed'));
    expect(() => pause.check()).toThrow(
      expect.objectContaining({
        code: 'bao_paused',
        message: 'OpenBao failed a moment ago: sealed',
        hint: 'mend it',
      }),
    );
    expect(pause.reason()?.message).toBe('sealed');
    await pass(PAUSE_MS - 100);
    expect(() => pause.check()).toThrow();
    await pass(100);
    pause.check();
    expect(pause.reason()).toBeUndefined();
  });

  test.each<[ErrorCode, boolean]>([
    ['bao_unreachable', true],
    ['bao_disconnected', true],
    ['bao_timeout', true],
    ['bao_unavailable', true],
    ['bao_bad_answer', true],
    ['bao_denied', false],
    ['bao_bad_request', false],
    ['bao_rate_limited', false],
    ['bao_paused', false],
    ['no_token', false],
    ['certificate_refused', false],
    ['unexpected_ca', false],
    ['trail_unwritable', false],
  ])('%s: %s', (code, begins) => {
    const pause = createPause(clock, async () => false);
    pause.failed(failure(code));
    expect(pause.reason() !== undefined).toBe(begins);
    pause.close();
  });

  test('is not lengthened by later failures, nor is its reason changed', async () => {
    const pause = createPause(clock, async () => false);
    pause.failed(failure('bao_sealed', 'first'));
    await pass(PAUSE_MS - 1_000);
    pause.failed(failure('bao_unreachable', 'second'));
    expect(pause.reason()?.message).toBe('first');
    await pass(1_000);
    expect(pause.reason()).toBeUndefined();
  });

  test('ends with the first probe that finds the server back', async () => {
    let back = false;
    const probe = vi.fn(async () => back);
    const pause = createPause(clock, probe);
    pause.failed(failure('bao_unreachable'));
    await pass(3 * PROBE_EVERY_MS);
    expect(probe).toHaveBeenCalledTimes(3);
    expect(() => pause.check()).toThrow();
    back = true;
    await pass(PROBE_EVERY_MS);
    pause.check();
    await pass(PAUSE_MS);
    expect(probe).toHaveBeenCalledTimes(4);
  });

  test('after a timeout only time ends it: the server may answer health checks and sign too slowly', async () => {
    const pause = createPause(clock, async () => true);
    pause.failed(failure('bao_timeout'));
    await pass(PAUSE_MS - 100);
    expect(() => pause.check()).toThrow();
    await pass(100);
    pause.check();
  });

  test('asks one probe at a time', async () => {
    let running = 0;
    let most = 0;
    const pause = createPause(clock, async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 3_500));
      running -= 1;
      return false;
    });
    pause.failed(failure('bao_unreachable'));
    await pass(PAUSE_MS);
    expect(most).toBe(1);
  });

  test('a probe that comes back after its pause is over does not end the next one', async () => {
    const answers: ((back: boolean) => void)[] = [];
    const pause = createPause(clock, () => new Promise((resolve) => answers.push(resolve)));
    pause.failed(failure('bao_unreachable', 'first'));
    await pass(PAUSE_MS);
    pause.failed(failure('bao_unreachable', 'second'));
    answers[0]?.(true);
    await pass(100);
    expect(pause.reason()?.message).toBe('second');
    pause.close();
  });

  test('closed, it asks nothing any more', async () => {
    const probe = vi.fn(async () => false);
    const pause = createPause(clock, probe);
    pause.failed(failure('bao_sealed'));
    pause.close();
    await pass(PAUSE_MS);
    expect(probe).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
