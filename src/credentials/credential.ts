/**
 * A credential: something that yields a token for OpenBao. One file per way to log in; what they share is here.
 * warden holds no credential that is not the caller's (promise 6), and holds it in memory only.
 */

export interface Credential {
  /** The `auth.method` of the configuration. */
  readonly method: string;
  /** A token that should work now. Throws WardenError `no_token` with what to do when there is none. */
  token(): Promise<string>;
  /** Where the token comes from, for `status` and hints; never the token. */
  describe(): string;
}
