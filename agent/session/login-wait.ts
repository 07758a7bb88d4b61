/**
 * Logins that wait inside the handshake until a person has logged in to OpenBao (a lane's `wait_for_login`): ssh sets its agent no time
 * limit, sshd allows 120 s (`LoginGraceTime`). Who waits holds a slot at sshd (`MaxStartups`, `PerSourcePenalties`), so few do for one
 * host, and nobody where no person would learn of it. Where a person logs in at a provider, that login is begun for all who wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lane } from '../../src/catalog/lane.ts';
import type { Credential, Page } from '../../src/credentials/credential.ts';
import { WardenError } from '../../src/errors.ts';
import type { PeerCredentials } from '../../src/system/peer.ts';
import type { Teller } from '../teller.ts';
import { SharedVisit } from './shared-visit.ts';

/** For one host key. */
export const MAX_FOR_HOST = 3;
const MAX_IN_ALL = 256;
const LOOK_EVERY_MS = 200;
const IDENTITY_DEADLINE_MS = 1_000;

export interface Waiting {
  readonly lane: Pick<Lane, 'waitForLoginMs'>;
  readonly host: string;
  /** What the slots of its sshd are counted by. */
  readonly hostKey: string;
  readonly peer: PeerCredentials;
  hasHungUp(): boolean;
}

export class LoginWait {
  readonly #teller: Teller;
  readonly #reachesUs: (command: string) => boolean;
  readonly #waiting = new Set<Waiting>();
  readonly #replaced = new WeakSet<Credential>();
  readonly #visits = new Map<Credential, SharedVisit>();
  #stopped = false;

  /** `reachesUs` says whether a command that logs in finds this daemon. */
  constructor(teller: Teller, reachesUs: (command: string) => boolean = () => true) {
    this.#teller = teller;
    this.#reachesUs = reachesUs;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when `credential` lets requests in again. Throws `refusal`, why the login got no certificate, at once where the lane does
   * not wait, no login of a person's would help, too many wait or nobody can be told; `no_token` when its time is over or the daemon
   * stops, `mint_busy` when the client has gone.
   */
  async untilLoggedIn(credential: Credential, refusal: WardenError, login: Waiting): Promise<void> {
    const { loginCommand: command, byVisit } = credential;
    const { peer, lane, host } = login;
    if (lane.waitForLoginMs === 0 || command === undefined || this.#stopped) throw refusal;
    if (!(byVisit || this.#reachesUs(command)) || !this.#teller.canTell(peer)) throw refusal;
    this.#takeSlot(refusal, login);
    try {
      const deadline = performance.now() + lane.waitForLoginMs;
      const seconds = Math.ceil(lane.waitForLoginMs / 1000);
      const visit = byVisit ? this.#visit(credential) : undefined;
      let toTell = true;
      let told: boolean | undefined;
      while (!(await credential.ready())) {
        if (visit?.failure !== undefined && visit.failure.code !== 'no_token') throw visit.failure;
        if (toTell && (visit === undefined || (visit.page ?? visit.failure) !== undefined)) {
          toTell = false;
          const text = waitText(host, seconds, credential.describe(), visit?.page, command);
          const line = { kind: 'login', text, address: visit?.page?.url, allowPipe: false } as const;
          void this.#teller.tell(peer, line).then((was) => {
            told = was;
          });
        }
        if (told === false) throw refusal;
        if (login.hasHungUp())
          throw new WardenError('mint_busy', 'the client hung up while it waited for a login to OpenBao');
        if (this.#stopped) throw over('the agent stops', 'start it again, then log in', refusal);
        if (this.#replaced.has(credential))
          throw over('the way to log in to OpenBao has changed', 'log in, and then ssh again', refusal);
        const left = deadline - performance.now();
        if (left <= 0) throw over(`nobody has logged in to OpenBao within ${seconds} s`, command, refusal);
        await sleep(Math.min(LOOK_EVERY_MS, left));
      }
      if (visit?.page !== undefined) await this.#tellAsWhom(credential, peer);
    } finally {
      this.#waiting.delete(login);
    }
  }

  /** Whoever sees the address may have logged in as somebody else: the person reads it here. */
  async #tellAsWhom(credential: Credential, peer: PeerCredentials): Promise<void> {
    await credential.warm(IDENTITY_DEADLINE_MS).catch(() => undefined);
    const text = `logged in to OpenBao: ${credential.identity() ?? 'it does not say as whom'}`;
    void this.#teller.tell(peer, { kind: 'login', text, allowPipe: false });
  }

  /** The login at the provider that is under way for whoever waits, or another. */
  #visit(credential: Credential): SharedVisit {
    const visit =
      this.#visits.get(credential) ??
      new SharedVisit(credential, () => {
        this.#visits.delete(credential);
      });
    this.#visits.set(credential, visit);
    return visit;
  }

  /** Nobody waits for this one any more: the configuration has another. */
  replaced(credential: Credential): void {
    this.#replaced.add(credential);
    this.#visits.get(credential)?.end();
  }

  /** Nobody waits any more. */
  stop(): void {
    this.#stopped = true;
    for (const visit of this.#visits.values()) visit.end();
  }

  #takeSlot(refusal: WardenError, login: Waiting): void {
    const beside = [...this.#waiting].filter(({ hostKey }) => hostKey === login.hostKey).length;
    if (beside >= MAX_FOR_HOST || this.#waiting.size >= MAX_IN_ALL) {
      const others = beside >= MAX_FOR_HOST ? `${beside} to this host` : `${MAX_IN_ALL}`;
      const message = `${refusal.message}; ${others} wait for a login already`;
      throw new WardenError('no_token', message, { hint: refusal.hint, cause: refusal });
    }
    this.#waiting.add(login);
  }
}

/** What the person is told: where to log in, or by which command. */
function waitText(
  host: string,
  seconds: number,
  from: string,
  page: Page | undefined,
  command: string,
): string {
  const waits = `ssh to ${host} waits up to ${seconds} s for your login to OpenBao`;
  if (page === undefined) return `${waits}: ${command} (${from})`;
  return `${waits} (${from}${page.code === undefined ? '' : `; code ${page.code}`}), at:`;
}

function over(message: string, hint: string, cause: WardenError): WardenError {
  return new WardenError('no_token', message, { hint, cause });
}
