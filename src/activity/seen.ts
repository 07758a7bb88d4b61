/** What a source other than warden's trail tells: one line of it, in the words of this view. Nothing in it is believed before it is joined. */

/**
 * `sign`: OpenBao was asked for a certificate and answered. `login`: sshd let somebody in. `attempt`: it did not. `end`: a session is over.
 * `decision`: a policy's. `lease`: a broker or secrets engine gave something out. `past`: a certificate in ops-warden's signatures.log.
 * `access`, `worker`, `hub`: as ops-warden calls them.
 */
export type SeenKind =
  | 'sign'
  | 'login'
  | 'attempt'
  | 'end'
  | 'decision'
  | 'lease'
  | 'past'
  | 'access'
  | 'worker'
  | 'hub';

export interface Seen {
  /** Milliseconds since the epoch, by the source's clock. */
  readonly at: number;
  readonly kind: SeenKind;
  readonly outcome: 'ok' | 'denied' | 'error';
  /** The source's name. */
  readonly source: string;
  /** Who, in the source's words: an actor, a token's display name. */
  readonly actor?: string | undefined;
  /** The login name. */
  readonly target?: string | undefined;
  /** Where it happened. */
  readonly host?: string | undefined;
  /** From where: `192.0.2.1 port 50964`. */
  readonly from?: string | undefined;
  readonly lane?: string | undefined;
  readonly role?: string | undefined;
  /** Decimal. */
  readonly serial?: string | undefined;
  readonly key_id?: string | undefined;
  /** `SHA256:…` of the public key. */
  readonly fp?: string | undefined;
  readonly ca_fp?: string | undefined;
  readonly request_id?: string | undefined;
  readonly decision_id?: string | undefined;
  /** Of OpenBao's token, as the source shows it. */
  readonly accessor?: string | undefined;
  /** The source's own name for it: a lease, a grant. */
  readonly id?: string | undefined;
  readonly principals?: readonly string[] | undefined;
  readonly message?: string | undefined;
}
