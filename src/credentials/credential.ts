/**
 * A credential: what lets requests into OpenBao. One file per way to log in (a LoginMethod, which gets a token), one store that holds
 * the token, renews it and logs in again (token-store.ts). warden holds no credential that is not the caller's (promise 6), and holds it
 * in memory only.
 */
import { WardenError } from '../errors.ts';
import type { Grant } from '../openbao/auth-engine.ts';
import type { Authorization } from '../openbao/headers.ts';

/** What brings a person's credential to a running daemon. */
export const WARDEN_LOGIN = 'warden login';

/** Asks and tells the person who logs in. */
export interface Dialogue {
  /** Who begins it, for the trail. What ssh begins gives way to what a person does. */
  readonly by: 'warden login' | 'ssh';
  /** Aborted when nobody waits for the login any more. */
  readonly signal: AbortSignal;
  /** Rejects when the person gives up or takes too long. */
  ask(question: Question): Promise<string>;
  /** Shows where to go on in a browser, and goes on. */
  visit(page: Page): void;
}

export interface Question {
  readonly text: string;
  /** The answer is not shown while it is typed. */
  readonly secret: boolean;
}

export interface Page {
  readonly url: string;
  /** What to compare or type in there. */
  readonly code?: string;
}

/** One way to a token. */
export interface LoginMethod {
  /** The `auth.method` of the configuration. */
  readonly method: string;
  /** Who can get the next token: the daemon by itself, a person with `warden login`, or something else that leaves it where it is found. */
  readonly renewedBy: 'daemon' | 'person' | 'elsewhere';
  /** What to do where OpenBao knows the token no more, or there is none. */
  readonly hint: string;
  /** A person only goes to an address: nothing is asked where there is no terminal. */
  readonly byVisit?: true;
  /** What a person runs to bring the next token while the daemon goes on; undefined: nobody can. */
  readonly loginCommand?: string;
  /** Where the credential comes from, for `status` and hints; never a secret. */
  describe(): string;
  /** Gets a token within so many milliseconds. Throws WardenError with what to do; `no_token` where it takes a person and there is no dialogue. */
  logIn(deadlineMs: number, dialogue?: Dialogue): Promise<Grant | Found>;
  /** Whether what the last token came from is another by now: somebody has logged in. */
  changed(): Promise<boolean>;
}

/** A token that was found and not given: what it is good for is still to be asked. */
export interface Found {
  readonly token: string;
}

export interface Credential {
  readonly method: string;
  /** What a person runs so that requests are let in again; undefined: no login of a person's helps. */
  readonly loginCommand: string | undefined;
  /** Whether a person logs in by going to an address, and is asked nothing. */
  readonly byVisit: boolean;
  /** Whether the next request has something to be let in by. Nothing is asked of OpenBao for it. */
  ready(): Promise<boolean>;
  /**
   * The fields that let a request in: from memory, where they are there; else after a login, within so many milliseconds. Throws
   * `no_token` with what to do, `login_refused`, and what the HTTP client throws.
   */
  authorization(deadlineMs: number): Promise<Authorization>;
  /**
   * OpenBao has refused `used` on `path` (403). Returns why: `token_expired` where another request would now have another token,
   * `no_token` where a person has to log in, `bao_denied` where the policy lacks the path.
   */
  refused(used: Authorization, path: string, cause: WardenError, deadlineMs: number): Promise<WardenError>;
  /** Logs in now, asking the person where that is needed. Throws as `authorization`. */
  login(dialogue: Dialogue): Promise<void>;
  /** Revokes the token and forgets it. Throws what the HTTP client throws; it is forgotten all the same. */
  logout(deadlineMs: number): Promise<void>;
  /** Gets ready for the first request. Throws as `authorization`. */
  warm(deadlineMs: number): Promise<void>;
  describe(): string;
  /** Whose it is, as OpenBao says; undefined until it was asked. */
  identity(): string | undefined;
  /** Forgets the token, and revokes one that was got by a login of its own. Throws what the HTTP client throws. */
  close(deadlineMs: number): Promise<void>;
}

/** A token as a header can carry it: printable ASCII, no spaces. Throws `no_token`. */
export function parseToken(text: string, where: string, hint: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new WardenError('no_token', `${where} holds no usable OpenBao token`, { hint });
}
