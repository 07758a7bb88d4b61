/**
 * A fresh ed25519 key. The private half never leaves OpenSSL's memory: nothing of it is copied into the JavaScript heap, and it is wiped
 * the moment that the key is dropped.
 */
import { ed25519Blob } from '../../src/ssh/public-key.ts';
import { encodeSignature } from '../../src/ssh/signature.ts';
import { generateEd25519 } from '../../src/system/ed25519.ts';

/** A key to sign a login with. */
export interface LoginKey {
  /** The public key blob. */
  readonly publicKey: Buffer;
  /** Whether it can still sign. */
  readonly alive: boolean;
  /** Signs `data`, and never again. Throws when it is not alive. */
  signOnce(data: Buffer): Buffer;
  /** Forgets it. */
  drop(): void;
}

export class FreshKey implements LoginKey {
  /** The public key blob. */
  readonly publicKey: Buffer;
  readonly #key = generateEd25519();
  #alive = true;

  constructor() {
    this.publicKey = ed25519Blob(this.#key.publicKey);
  }

  /** Whether the private half is still there. */
  get alive(): boolean {
    return this.#alive;
  }

  signOnce(data: Buffer): Buffer {
    const signature = this.sign(data);
    this.drop();
    return signature;
  }

  /** Signs `data` and keeps the key, for shared identities alone. Throws when it was dropped. */
  sign(data: Buffer): Buffer {
    return encodeSignature('ssh-ed25519', this.#key.sign(data));
  }

  drop(): void {
    this.#alive = false;
    this.#key.free();
  }
}
