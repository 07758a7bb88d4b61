/**
 * A fresh ed25519 key in node:crypto. The private half never leaves its KeyObject: it is not exported, so nothing of it is copied
 * into the JavaScript heap, and it is gone when the object is dropped and collected (`wipe.ts`).
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { ed25519PublicBlob } from '../../src/ssh/public-key.ts';
import { encodeSignature } from '../../src/ssh/signature.ts';

export class FreshKey {
  /** The public key blob. */
  readonly publicKey: Buffer;
  #private: KeyObject | undefined;

  constructor() {
    const pair = generateKeyPairSync('ed25519');
    this.publicKey = ed25519PublicBlob(pair.publicKey);
    this.#private = pair.privateKey;
  }

  /** Whether the private half is still there. */
  get alive(): boolean {
    return this.#private !== undefined;
  }

  /** Signs `data` and drops the private half: there is no second signature. Throws when it was dropped before. */
  signOnce(data: Buffer): Buffer {
    const key = this.#private;
    if (key === undefined) throw new Error('the key is gone');
    this.#private = undefined;
    return encodeSignature('ssh-ed25519', sign(null, data, key));
  }

  /** Forgets the private half. */
  drop(): void {
    this.#private = undefined;
  }
}
