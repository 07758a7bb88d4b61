/**
 * A fresh ed25519 key in node:crypto. The private half never leaves its KeyObject: it is not exported, so nothing of it is copied
 * into the JavaScript heap, and it is gone when the object is dropped and collected (`wipe.ts`).
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { ed25519Blob } from '../../src/ssh/public-key.ts';
import { encodeSignature } from '../../src/ssh/signature.ts';

/**
 * The generation itself encodes the public half. Exporting it afterwards (`publicKey.export({ format: 'jwk' })`) can stop the process
 * for good: Node 20 holds the key's lock while it allocates, a collection at that moment destroys the generation's job, and the
 * job's destructor waits for the same lock [tried: after 300 to 9,000 keys].
 */
const ENCODED = { publicKeyEncoding: { format: 'jwk' } };

/** The 32 bytes of a public key's JWK (RFC 8037 section 2). */
function rawPublicKey(jwk: unknown): Buffer {
  if (typeof jwk === 'object' && jwk !== null && 'x' in jwk && typeof jwk.x === 'string')
    return Buffer.from(jwk.x, 'base64url');
  throw new Error('node:crypto gave no JWK');
}

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
  #private: KeyObject | undefined;

  constructor() {
    // Node's types do not know this form: the public half is a JWK, the private half a KeyObject.
    const pair: { readonly publicKey: unknown; readonly privateKey: KeyObject } = generateKeyPairSync(
      'ed25519',
      ENCODED,
    );
    this.publicKey = ed25519Blob(rawPublicKey(pair.publicKey));
    this.#private = pair.privateKey;
  }

  /** Whether the private half is still there. */
  get alive(): boolean {
    return this.#private !== undefined;
  }

  signOnce(data: Buffer): Buffer {
    const signature = this.sign(data);
    this.#private = undefined;
    return signature;
  }

  /** Signs `data` and keeps the key, for shared identities alone. Throws when it was dropped. */
  sign(data: Buffer): Buffer {
    if (this.#private === undefined) throw new Error('the key is gone');
    return encodeSignature('ssh-ed25519', sign(null, data, this.#private));
  }

  drop(): void {
    this.#private = undefined;
  }
}
