/** A minted identity: one certificate and its key, which belong to one connection (on a destination socket, to its caller) and sign once. */
import type { Lane } from '../../src/catalog/lane.ts';
import type { Minted } from '../../src/issuance/mint.ts';
import type { Identity } from '../protocol/messages.ts';
import type { Binding } from '../session/binding.ts';
import type { Guarded } from '../session/guard.ts';
import type { LoginKey } from './fresh-key.ts';
import type { Issued } from './shared-identities.ts';

/** What a minted identity is for. */
export interface Purpose {
  readonly lane: Lane;
  /** The proved name that chose the lane; on a destination socket, what the socket is for. */
  readonly host: string;
  /** Undefined on a destination socket, for a client that sends no bind. */
  readonly binding: Binding | undefined;
  readonly forwarded: boolean;
  /** The hosts that a forwarded login came through, first to last. */
  readonly via: readonly string[];
  /** The login name that the caller was told, where it is known. */
  readonly user: string | undefined;
  /** The socket and the process that an identity without a binding belongs to. */
  readonly holder: string | undefined;
  isHostKey(hostKey: Buffer): boolean;
}

export class MintedIdentity implements Guarded {
  readonly purpose: Purpose;
  readonly minted: Minted;
  readonly key: LoginKey;
  /** When the certificate was made, as `performance.now()` counts. */
  readonly at: number;

  constructor(purpose: Purpose, issued: Issued) {
    this.purpose = purpose;
    this.minted = issued.minted;
    this.key = issued.key;
    this.at = issued.at;
  }

  get lane(): Lane {
    return this.purpose.lane;
  }

  get host(): string {
    return this.purpose.host;
  }

  get binding(): Binding | undefined {
    return this.purpose.binding;
  }

  get forwarded(): boolean {
    return this.purpose.forwarded;
  }

  get user(): string | undefined {
    return this.purpose.user;
  }

  isHostKey(hostKey: Buffer): boolean {
    return this.purpose.isHostKey(hostKey);
  }

  get logins(): readonly string[] {
    return this.lane.logins;
  }

  get publicKey(): Buffer {
    return this.key.publicKey;
  }

  get certificate(): Buffer {
    return this.minted.blob;
  }

  /** Whether a sign request's key field means this identity: the certificate, or (ssh up to 10.2 when both are listed) its plain key. */
  isMeantBy(key: Buffer): boolean {
    return key.equals(this.certificate) || key.equals(this.publicKey);
  }

  /** As it is listed. ssh prints the comment when a signature is refused, so it says what would be allowed and whom to ask. */
  listed(): Identity {
    const logins = this.logins.includes('*') ? 'any login name' : `login as ${this.logins.join(', ')}`;
    return {
      blob: this.certificate,
      comment: `warden: ${this.lane.id} (${logins}); if refused: warden why ${this.host}`,
    };
  }
}
