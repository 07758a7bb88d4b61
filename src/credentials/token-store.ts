/**
 * Holds the token of one login method in memory and keeps it good: renews it well before it ends, logs in anew where renewing leads no
 * further, and one login serves all who wait. Time is what has passed by the monotonic clock, or by the wall clock where that is more:
 * the monotonic one stands still while a laptop sleeps.
 * Left out: revoking a token that was replaced before its time (requests may still be on their way with it).
 */
import { asWardenError, WardenError } from '../errors.ts';
import { policyHint } from '../openbao/answers.ts';
import type { AuthEngine, Grant } from '../openbao/auth-engine.ts';
import { type Authorization, tokenAuthorization } from '../openbao/headers.ts';
import type { Clock } from '../system/clock.ts';
import { type Credential, type Dialogue, type LoginMethod, WARDEN_LOGIN } from './credential.ts';
import { type LoginReport, LoginReports } from './login-reports.ts';

/** For a login or renewal that nobody waits for; an election of OpenBao's takes longer, and then it is tried again. */
const BACKGROUND_DEADLINE_MS = 5_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 60_000;
/** A person reads a password from a vault, or types into a browser. */
const DIALOGUE_DEADLINE_MS = 300_000;
/** setTimeout takes no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface TokenStoreOptions {
  readonly method: LoginMethod;
  readonly engine: AuthEngine;
  readonly clock: Clock;
  /** Told of what went wrong with nobody waiting for it; never holds a secret. */
  readonly notice: (error: WardenError) => void;
  /** Told of logins that are worth it. */
  readonly onLogin?: (report: LoginReport) => void;
  /** 0 ≤ x < 1, for jitter. */
  readonly random?: () => number;
}

interface Held {
  readonly authorization: Authorization;
  readonly token: string;
  /** Seconds; 0: forever, or not known. */
  ttlSeconds: number;
  fullTtlSeconds: number;
  renewable: boolean;
  /** Requests that it is still good for; undefined: any number. */
  usesLeft: number | undefined;
  sinceNs: bigint;
  sinceMs: number;
  /** A share of the time to live, different for each daemon. */
  dueShare: number;
}

export class TokenStore implements Credential {
  readonly #options: TokenStoreOptions;
  readonly #reports: LoginReports;
  #held: Held | undefined;
  #identity: string | undefined;
  #pending: Promise<Held> | undefined;
  #inspecting: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #closed = false;
  /** Somebody said so: until a login that somebody asks for, none is made. */
  #loggedOut = false;

  constructor(options: TokenStoreOptions) {
    this.#options = options;
    this.#reports = new LoginReports(options.method, options.onLogin ?? (() => undefined));
  }

  get method(): string {
    return this.#options.method.method;
  }

  get loginCommand(): string | undefined {
    const command = this.#options.method.loginCommand;
    return command !== undefined && this.#loggedOut ? WARDEN_LOGIN : command;
  }

  get byVisit(): boolean {
    return this.#options.method.byVisit === true;
  }

  async ready(): Promise<boolean> {
    if (this.#loggedOut) return false;
    return this.#held !== undefined || this.#options.method.changed();
  }

  async authorization(deadlineMs: number): Promise<Authorization> {
    const { method } = this.#options;
    if (this.#loggedOut)
      throw new WardenError('no_token', 'the agent was logged out of OpenBao', { hint: WARDEN_LOGIN });
    let held = this.#held;
    if (held !== undefined && (await method.changed())) held = undefined;
    // Where nobody here can get another, OpenBao decides: this clock may be wrong.
    else if (held !== undefined && method.renewedBy === 'daemon' && this.#isOver(held)) held = undefined;
    held ??= await within(deadlineMs, this.#logIn(deadlineMs));
    this.#spend(held);
    return held.authorization;
  }

  async refused(
    used: Authorization,
    path: string,
    cause: WardenError,
    deadlineMs: number,
  ): Promise<WardenError> {
    const { engine, method } = this.#options;
    const again = (why: string) => new WardenError('token_expired', why, { hint: method.hint, cause });
    if (this.#held?.authorization !== used) return again('the token was replaced by a newer one');
    if (await method.changed()) return again('the token was replaced by a newer one');
    const found =
      cause.code === 'token_expired'
        ? 'dead'
        : await engine.capabilities(used, path, deadlineMs).catch(() => 'hidden' as const);
    if (found === 'dead') {
      if (this.#held?.authorization === used) this.#drop();
      const gone = 'OpenBao does not know the token any more: it has expired, was revoked or is used up';
      return method.renewedBy === 'daemon'
        ? again(gone)
        : new WardenError('no_token', `${gone} (${method.describe()})`, { hint: method.hint, cause });
    }
    const has = found === 'hidden' ? '' : `: the token's capabilities there are ${found.join(', ')}`;
    const allowed = found !== 'hidden' && (found.includes('update') || found.includes('root'));
    const hint = allowed
      ? "its policy allows it: OpenBao's own log says what else forbids it"
      : policyHint(path);
    return new WardenError('bao_denied', `${cause.message}${has}`, { hint, cause });
  }

  async login(dialogue: Dialogue): Promise<void> {
    this.#loggedOut = false;
    // By itself: nobody else waits for a person's typing.
    await this.#logInOnce(DIALOGUE_DEADLINE_MS, dialogue);
    await this.#inspecting;
  }

  async logout(deadlineMs: number): Promise<void> {
    const held = this.#held;
    this.#drop();
    this.#loggedOut = true;
    if (held !== undefined) await this.#options.engine.revokeSelf(held.authorization, deadlineMs);
  }

  async warm(deadlineMs: number): Promise<void> {
    if (this.#held === undefined) await within(deadlineMs, this.#logIn(deadlineMs));
    await within(deadlineMs, this.#inspecting);
  }

  describe(): string {
    return this.#options.method.describe();
  }

  identity(): string | undefined {
    return this.#identity;
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    // What was found is whose it was left for.
    if (this.#options.method.renewedBy === 'elsewhere') this.#drop();
    else await this.logout(deadlineMs);
  }

  #drop(): void {
    clearTimeout(this.#timer);
    this.#held = undefined;
    this.#identity = undefined;
  }

  /** Milliseconds since the token was given or renewed. */
  #age(held: Held): number {
    const { clock } = this.#options;
    return Math.max(Number(clock.monotonicNs() - held.sinceNs) / 1e6, clock.now() - held.sinceMs);
  }

  #isOver(held: Held): boolean {
    if (held.ttlSeconds === 0) return false;
    const ttlMs = held.ttlSeconds * 1000;
    // A request takes its time to arrive.
    return this.#age(held) >= ttlMs - Math.min(1_000, ttlMs / 10);
  }

  /** One request more. The last one takes the token with it, and the next token is fetched before anybody asks. */
  #spend(held: Held): void {
    if (held.usesLeft === undefined || held !== this.#held) return;
    held.usesLeft -= 1;
    if (held.usesLeft > 0) return;
    if (this.#options.method.renewedBy !== 'daemon') return;
    this.#drop();
    this.#inBackground(() => this.#logIn(BACKGROUND_DEADLINE_MS));
  }

  /** One login for all who ask meanwhile; the new token takes the old one's place only when it is there. */
  #logIn(deadlineMs: number): Promise<Held> {
    if (this.#pending !== undefined) return this.#pending;
    const pending = this.#logInOnce(deadlineMs).finally(() => {
      if (this.#pending === pending) this.#pending = undefined;
    });
    this.#pending = pending;
    return pending;
  }

  async #logInOnce(deadlineMs: number, dialogue?: Dialogue): Promise<Held> {
    const { clock, method } = this.#options;
    const [sinceNs, sinceMs] = [clock.monotonicNs(), clock.now()];
    const by = dialogue?.by ?? 'daemon';
    const grant = await method.logIn(deadlineMs, dialogue).catch((thrown: unknown) => {
      this.#reports.ended({ by, identity: undefined, accessor: '', error: asWardenError(thrown) });
      throw thrown;
    });
    const given = 'ttlSeconds' in grant;
    const unknown = { accessor: '', ttlSeconds: 0, fullTtlSeconds: 0, renewable: false, uses: 0 };
    const { token, accessor, ttlSeconds, fullTtlSeconds, renewable, uses }: Grant = given
      ? grant
      : { ...unknown, token: grant.token };
    const held: Held = {
      authorization: tokenAuthorization(token),
      token,
      ttlSeconds,
      fullTtlSeconds,
      renewable,
      usesLeft: uses === 0 ? undefined : uses,
      // A dialogue takes minutes, and the token begins at its end.
      sinceNs: dialogue === undefined ? sinceNs : clock.monotonicNs(),
      sinceMs: dialogue === undefined ? sinceMs : clock.now(),
      dueShare: 0.6 + 0.15 * (this.#options.random ?? Math.random)(),
    };
    this.#drop();
    if (this.#closed) return held;
    this.#held = held;
    this.#retryMs = FIRST_RETRY_MS;
    this.#schedule(held);
    // Looking at itself is a request too: what is given for a few is not spent on that.
    const inspected = held.usesLeft === undefined ? this.#inspect(held, given) : Promise.resolve('');
    this.#inspecting = inspected.then((found) => {
      const identity = this.#held === held ? this.#identity : undefined;
      this.#reports.ended({ by, identity, accessor: accessor || found, error: undefined });
    });
    return held;
  }

  /** Learns whose the token is, and where it was only found, how long it lives. Returns its accessor, or an empty text. Never throws. */
  async #inspect(held: Held, given: boolean): Promise<string> {
    const { clock, engine, notice } = this.#options;
    try {
      const [sinceNs, sinceMs] = [clock.monotonicNs(), clock.now()];
      const info = await engine.lookupSelf(held.authorization, BACKGROUND_DEADLINE_MS);
      const { accessor, displayName, entityId } = info;
      if (this.#held !== held) return accessor;
      this.#identity = entityId === '' ? displayName : `${displayName} (entity ${entityId})`;
      if (given) return accessor;
      const { ttlSeconds, fullTtlSeconds, renewable, uses } = info;
      Object.assign(held, { ttlSeconds, fullTtlSeconds, renewable, sinceNs, sinceMs });
      held.usesLeft = uses === 0 ? undefined : uses;
      this.#schedule(held);
      return accessor;
    } catch (thrown) {
      const error = asWardenError(thrown);
      // Its policies may not let it look at itself; then nothing is known, and it is used as it is.
      if (error.code !== 'bao_denied') notice(error);
      return '';
    }
  }

  #schedule(held: Held, afterMs?: number): void {
    clearTimeout(this.#timer);
    if (held.ttlSeconds === 0 || this.#closed) return;
    const due = afterMs ?? held.ttlSeconds * 1000 * held.dueShare - this.#age(held);
    this.#timer = setTimeout(
      () => this.#inBackground(() => this.#refresh(held)),
      Math.min(MAX_TIMER_MS, Math.max(0, due)),
    );
    this.#timer.unref();
  }

  #inBackground(work: () => Promise<unknown>): void {
    work().catch((thrown: unknown) => {
      const error = asWardenError(thrown);
      this.#options.notice(error);
      const held = this.#held;
      if (held === undefined || this.#isOver(held)) return;
      // Several tries fit into what is left, and after that it is a login that asks.
      const left = held.ttlSeconds * 1000 - this.#age(held);
      const jitter = 0.75 + 0.5 * (this.#options.random ?? Math.random)();
      this.#schedule(held, Math.min(this.#retryMs * jitter, left / 3));
      this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
    });
  }

  /** Renews, or logs in anew. Throws where neither could be done; says so where nobody here can. */
  async #refresh(held: Held): Promise<void> {
    const { clock, engine, method, notice } = this.#options;
    if (this.#held !== held) return;
    // What a renewal still gives is less than half: its longest time to live is near, and renewing leads no further.
    const atItsEnd = held.ttlSeconds < held.fullTtlSeconds / 2;
    if (held.renewable && held.usesLeft === undefined && !atItsEnd) {
      const [sinceNs, sinceMs] = [clock.monotonicNs(), clock.now()];
      const renewed = await engine
        .renewSelf(held.authorization, held.token, BACKGROUND_DEADLINE_MS)
        .catch((thrown: unknown) => {
          const error = asWardenError(thrown);
          // Dead, or not allowed to renew itself: then only a login helps.
          if (!['token_expired', 'bao_denied', 'bao_bad_request'].includes(error.code)) throw error;
          notice(error);
          return undefined;
        });
      if (this.#held !== held) return;
      if (renewed !== undefined) {
        const { ttlSeconds, renewable } = renewed;
        Object.assign(held, { ttlSeconds, renewable, sinceNs, sinceMs });
        this.#retryMs = FIRST_RETRY_MS;
        this.#schedule(held);
        return;
      }
    }
    if (method.renewedBy === 'daemon') {
      await this.#logIn(BACKGROUND_DEADLINE_MS);
      return;
    }
    const left = Math.max(0, Math.round(held.ttlSeconds - this.#age(held) / 1000));
    notice(
      new WardenError('no_token', `the token ends in ${left} s and can't be renewed (${method.describe()})`, {
        hint: method.hint,
      }),
    );
  }
}

/** What the work gives, or `bao_timeout` after so many milliseconds; the work goes on. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => {
        const text = `the login to OpenBao was not done within ${Math.round(ms)} ms`;
        reject(new WardenError('bao_timeout', text, { hint: 'is it reachable? warden status' }));
      },
      Math.max(0, ms),
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
