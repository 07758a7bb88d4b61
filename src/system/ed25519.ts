/**
 * ed25519 keys that end when they are told to (OpenSSL's EVP_PKEY_keygen(3), EVP_DigestSign(3), EVP_PKEY_free(3), which wipes the
 * private half). They are made by the OpenSSL that Node itself stands on, called directly: node:crypto frees a key's memory only when
 * the garbage collector gets to its object, and to force a collection after each login costs more than the login (bench/RESULTS.md).
 */
import { nativeLibrary } from './libc.ts';

/** NID_ED25519 of OpenSSL's obj_mac.h: a number that can't change. */
const ED25519 = 1087;
const PUBLIC_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface Ed25519Key {
  /** 32 bytes. */
  readonly publicKey: Buffer;
  /** The 64 bytes of RFC 8032. Throws after `free`. */
  sign(data: Buffer): Buffer;
  /** Wipes the private half and gives its memory back; once more does no harm. */
  free(): void;
}

function bind() {
  const library = nativeLibrary();
  const call = (prototype: string) => {
    const native = library.func(prototype);
    return (...args: unknown[]): unknown => native(...args);
  };
  return {
    newContext: call('void* EVP_PKEY_CTX_new_id(int, void*)'),
    freeContext: call('void EVP_PKEY_CTX_free(void*)'),
    keygenInit: call('int EVP_PKEY_keygen_init(void*)'),
    keygen: call('int EVP_PKEY_keygen(void*, _Inout_ void**)'),
    publicKey: call('int EVP_PKEY_get_raw_public_key(void*, _Out_ void*, _Inout_ size_t*)'),
    freeKey: call('void EVP_PKEY_free(void*)'),
    newDigest: call('void* EVP_MD_CTX_new()'),
    freeDigest: call('void EVP_MD_CTX_free(void*)'),
    signInit: call('int EVP_DigestSignInit(void*, void*, void*, void*, void*)'),
    sign: call('int EVP_DigestSign(void*, _Out_ void*, _Inout_ size_t*, const void*, size_t)'),
  };
}

let bound: ReturnType<typeof bind> | undefined;

/** OpenSSL's functions. Throws where koffi or one of them can't be loaded. */
function openssl(): ReturnType<typeof bind> {
  bound ??= bind();
  return bound;
}

function must(done: unknown, what: string): void {
  if (done !== 1) throw new Error(`OpenSSL: ${what} failed`);
}

/** Why no key can be made: one line, or undefined. */
export function ed25519Failure(): string | undefined {
  try {
    openssl();
    return undefined;
  } catch (thrown) {
    return (thrown instanceof Error ? thrown.message : String(thrown)).split('\n', 1)[0];
  }
}

function generate(ssl: ReturnType<typeof bind>): unknown {
  const context = ssl.newContext(ED25519, null);
  const out: [unknown] = [null];
  try {
    must(ssl.keygenInit(context), 'EVP_PKEY_keygen_init');
    must(ssl.keygen(context, out), 'EVP_PKEY_keygen');
  } finally {
    ssl.freeContext(context);
  }
  return out[0];
}

/** A key that was forgotten and not freed: wiped when its owner is collected. */
const forgotten = new FinalizationRegistry<unknown>((pointer) => void openssl().freeKey(pointer));

/** A new key. Throws where OpenSSL can't be called, or fails. */
export function generateEd25519(): Ed25519Key {
  const ssl = openssl();
  let pointer: unknown = generate(ssl);
  const publicKey = Buffer.alloc(PUBLIC_BYTES);
  const key: Ed25519Key = {
    publicKey,
    sign(data) {
      if (pointer === undefined) throw new Error('the key is gone');
      const digest = ssl.newDigest();
      const signature = Buffer.alloc(SIGNATURE_BYTES);
      try {
        must(ssl.signInit(digest, null, null, null, pointer), 'EVP_DigestSignInit');
        must(ssl.sign(digest, signature, [SIGNATURE_BYTES], data, data.length), 'EVP_DigestSign');
      } finally {
        ssl.freeDigest(digest);
      }
      return signature;
    },
    free() {
      if (pointer === undefined) return;
      forgotten.unregister(key);
      ssl.freeKey(pointer);
      pointer = undefined;
    },
  };
  forgotten.register(key, pointer, key);
  must(ssl.publicKey(pointer, publicKey, [PUBLIC_BYTES]), 'EVP_PKEY_get_raw_public_key');
  return key;
}
