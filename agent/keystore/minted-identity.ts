/** A minted identity: one certificate and its key, which belong to one connection and sign once. */
import type { Lane } from '../../src/catalog/lane.ts';
import type { Minted } from '../../src/issuance/mint.ts';
import type { Identity } from '../protocol/messages.ts';
import type { Binding } from '../session/binding.ts';
import type { Guarded } from '../session/guard.ts';
import type { FreshKey } from './fresh-key.ts';

export class MintedIdentity implements Guarded {
  readonly binding: Binding;
  readonly lane: Lane;
  readonly host: string;
  readonly minted: Minted;
  readonly key: FreshKey;
  readonly user: string | undefined;

  constructor(
    binding: Binding,
    lane: Lane,
    host: string,
    minted: Minted,
    key: FreshKey,
    user: string | undefined,
  ) {
    this.binding = binding;
    this.lane = lane;
    this.host = host;
    this.minted = minted;
    this.key = key;
    this.user = user;
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
