/**
 * How many refusals a user may have written down: whoever is refused in a loop would fill the disk, and the trail is append-only. The
 * first BURST are records of their own, then EVERY_MS apart; the others are counted and written as one record a minute, by code.
 */
import type { Clock } from '../src/system/clock.ts';

export const BURST = 300;
/** In the long run: thirty a minute. */
const EVERY_MS = 2_000;
const SUMMARY_MS = 60_000;

interface Account {
  /** When, on the monotonic clock, the burst will be whole again. */
  wholeNs: bigint;
  /** Refusals by code that were not written. */
  readonly more: Map<string, number>;
  timer: NodeJS.Timeout | undefined;
}

export class RefusalRecords {
  readonly #clock: Clock;
  readonly #onMore: (uid: number | undefined, message: string) => void;
  /** By user; only ourselves, root and who is turned away. */
  readonly #accounts = new Map<number | undefined, Account>();

  /** `onMore` is told, once a minute for each user, what was counted instead of written. */
  constructor(clock: Clock, onMore: (uid: number | undefined, message: string) => void) {
    this.#clock = clock;
    this.#onMore = onMore;
  }

  /** Whether a refusal of `uid` with this code is written down whole; if not, it was counted. */
  admit(uid: number | undefined, code: string): boolean {
    const every = BigInt(EVERY_MS) * 1_000_000n;
    const now = this.#clock.monotonicNs();
    const account = this.#accounts.get(uid) ?? { wholeNs: now, more: new Map(), timer: undefined };
    this.#accounts.set(uid, account);
    const whole = account.wholeNs > now ? account.wholeNs : now;
    if (whole + every <= now + BigInt(BURST) * every) {
      account.wholeNs = whole + every;
      return true;
    }
    account.more.set(code, (account.more.get(code) ?? 0) + 1);
    account.timer ??= setTimeout(() => this.#summarize(uid, account), SUMMARY_MS).unref();
    return false;
  }

  #summarize(uid: number | undefined, account: Account): void {
    clearTimeout(account.timer);
    account.timer = undefined;
    if (account.more.size === 0) return;
    const counts = [...account.more].sort(([, a], [, b]) => b - a);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const byCode = counts.map(([code, count]) => `${count} ${code}`).join(', ');
    account.more.clear();
    this.#onMore(uid, `${total} more refusals, not written one by one: ${byCode}`);
  }

  /** Writes down what was counted so far. */
  close(): void {
    for (const [uid, account] of this.#accounts) this.#summarize(uid, account);
  }
}
