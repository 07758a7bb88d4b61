/**
 * Which logins are worth telling of: each that a person takes part in; of those that the daemon makes by itself, as often as its tokens
 * want it, the first, and what differs from the one before: another identity, another failure, success again. A token that was only found
 * is nobody's login here.
 */
import { hash } from 'node:crypto';
import type { WardenError } from '../errors.ts';
import type { Dialogue, LoginMethod } from './credential.ts';

export interface LoginReport {
  readonly method: string;
  /** Where the credential comes from; never a secret. */
  readonly from: string;
  readonly by: Dialogue['by'] | 'daemon';
  /** Whose the token is, as OpenBao says; undefined where it does not say. */
  readonly identity: string | undefined;
  /** SHA-256 of the token's accessor, lower-case hex: who may list accessors finds the token by it, and nobody can use it. */
  readonly accessorHash: string | undefined;
  /** Why there is no token; undefined: there is one. */
  readonly error: WardenError | undefined;
}

type Outcome = Pick<LoginReport, 'by' | 'identity' | 'error'> & { readonly accessor: string };

export class LoginReports {
  readonly #method: LoginMethod;
  readonly #tell: (report: LoginReport) => void;
  #last: string | undefined;

  constructor(method: LoginMethod, tell: (report: LoginReport) => void) {
    this.#method = method;
    this.#tell = tell;
  }

  /** A login has ended. */
  ended({ by, identity, error, accessor }: Outcome): void {
    if (by === 'daemon' && this.#method.renewedBy !== 'daemon') return;
    // It gave way, or nobody came.
    if (by === 'ssh' && error?.code === 'no_token') return;
    const what = error === undefined ? `as ${identity}` : error.code;
    const isNews = by !== 'daemon' || what !== this.#last;
    this.#last = what;
    if (!isNews) return;
    const accessorHash = accessor === '' ? undefined : hash('sha256', accessor);
    const { method } = this.#method;
    this.#tell({ method, from: this.#method.describe(), by, identity, accessorHash, error });
  }
}
