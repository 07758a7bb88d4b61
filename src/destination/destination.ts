/** What a verified binding resolves to: the host key and the names that it is proved to have, each with how. */

/** One way in which a name was proved to belong to the bound host key. */
export interface ProvedName {
  /** As known_hosts writes it: `web1`, `10.0.0.7`, `[web1]:2222`; lower case. */
  readonly name: string;
  readonly how: 'known_hosts' | 'host_certificate' | 'host_key_pin';
  /** `file:line` of the known_hosts line, or the lane's id. */
  readonly source: string;
  /** Set where the proof is a lane's own (`host_keys`, `host_ca`): what one lane trusts proves nothing to another. */
  readonly lane?: string;
}

export interface Destination {
  /** The whole blob that was bound: a plain key or a host certificate. */
  readonly hostKey: Buffer;
  /** `SHA256:…` of the plain key. */
  readonly fingerprint: string;
  readonly revoked: boolean;
  /** Without duplicates; empty when the key is unknown. */
  readonly names: readonly ProvedName[];
}

/** One name of the host that the caller was told. */
export interface ToldName {
  readonly name: string;
  /**
   * Set on the plain name of one with a port (`web1` of `[web1]:2222`): ssh looks it up only where known_hosts has no line for
   * the name with the port, and only there does it stand for the destination.
   */
  readonly fallbackOf?: string;
}

/** The caller's own words: what the ssh that connected was told, taken through the ssh_config that it reads. */
export interface CallerWords {
  /** Names under which that ssh may have looked the host up: known_hosts form, most likely first, lower case. Guesses to test. */
  readonly candidates: readonly string[];
  /** The names that can stand for the destination (promise 1). None where the configuration leaves open which host is meant. */
  readonly told: readonly ToldName[];
  /** The login name, the local user's where none is said; undefined where it is not certain. */
  readonly user: string | undefined;
  /**
   * Every value that IdentityAgent may have, with `~` and tokens put in but not variables; `SSH_AUTH_SOCK` where it is not set. Empty
   * where one of them can't be known.
   */
  readonly agents: readonly string[];
}
