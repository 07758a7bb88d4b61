/** An `issue` lane with everything resolved that a login needs: what `../shared/interface.md` calls `ssh:` in a catalog entry. */
import type { Actor } from '../inventory/actor.ts';

/** How a lane's `hosts` entry matches a proved name. `port` is set for `[host]:port`; a name with a port matches only a pattern with the same port. */
export type HostPattern =
  | {
      readonly kind: 'exact';
      readonly text: string;
      readonly host: string;
      readonly port: number | undefined;
    }
  | {
      readonly kind: 'cidr';
      readonly text: string;
      readonly address: string;
      readonly prefix: number;
      readonly port: number | undefined;
    }
  | {
      readonly kind: 'glob';
      readonly text: string;
      readonly host: string;
      readonly literals: number;
      readonly port: number | undefined;
    };

export interface Lane {
  readonly id: string;
  readonly title: string;
  /** Where the lane was written: `file:line`. */
  readonly source: string;
  readonly hosts: readonly HostPattern[];
  /** `SHA256:…` fingerprints of host keys that the lane covers whatever they are called. */
  readonly hostKeys: readonly string[];
  /** `SHA256:…` fingerprints of CAs whose host certificates prove their literal principals for this lane. */
  readonly hostCa: readonly string[];
  readonly actor: Actor;
  /** Names that may be logged in as; `['*']` leaves it to sshd. */
  readonly logins: readonly string[];
  /** What the certificate asks for; a subset of the actor's. */
  readonly principals: readonly string[];
  readonly ttlSeconds: number;
  /** OpenBao's SSH role. */
  readonly role: string;
  /** Extensions to ask for, or undefined for the role's defaults. */
  readonly extensions: readonly string[] | undefined;
  /** Critical options to ask for (`force-command`, `source-address`); merged over the role's by OpenBao's rules, or refused. */
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly upstream: 'hide' | 'after';
  /** Names of the hosts from which a forwarded agent may use the lane, as known_hosts writes them; each hop must be one of them. */
  readonly forwarded: readonly string[];
  /** Whether clients that send no bind may use it, on its destination sockets. */
  readonly unbound: boolean;
  /** How long one certificate serves further logins to the same host; 0: each login has its own. */
  readonly reuseMs: number;
  /** `sign`: the gate is asked once more at the signature, when the login name is known. */
  readonly gateAt: 'list' | 'sign';
  /** For the whole mint. */
  readonly deadlineMs: number;
  /** How long a login waits for a person to log in to OpenBao; 0: not at all. */
  readonly waitForLoginMs: number;
}
