/**
 * Looks for ed25519 private keys in a process's memory, as somebody who can read it would: each 32 bytes that look random are taken for a
 * seed, and the public key that follows from them is compared with the known ones (by fingerprint, as the trail has it).
 * Covered: every writable private mapping (heap, arenas, V8's heap, stacks, data of libraries), every address that is a multiple of 8;
 * malloc aligns to 16, and so does OpenSSL's copy of the seed (crypto/ec/ecx_key.c). Not covered: seeds at odd addresses, halves,
 * encodings (hex, base64, expanded scalars), registers. "Random" leaves out 3 of 100,000 real seeds.
 */
import { createPrivateKey } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { errnoOf } from '../../src/errors.ts';
import { fingerprint } from '../../src/ssh/public-key.ts';
import { Writer } from '../../src/ssh/wire.ts';

const SEED = 32;
const PIECE = 4 * 1024 * 1024;
/** JWK wants a public half beside the private one, and takes any: it works out the right one. */
const NO_PUBLIC = 'A'.repeat(43);

/** Fingerprint (`SHA256:…`) of the public key that belongs to a seed. As JWK both ways: through DER it takes ten times as long. */
export function fingerprintOfSeed(seed: Buffer): string {
  const jwk = { kty: 'OKP', crv: 'Ed25519', d: seed.toString('base64url'), x: NO_PUBLIC };
  const { x = '' } = createPrivateKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' });
  return fingerprint(new Writer().string('ssh-ed25519').string(Buffer.from(x, 'base64url')).done());
}

/** Whether 32 bytes may be a seed: no zero word, hardly a byte twice, about as many high bits as low ones. */
function looksRandom(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < SEED; i += 4) if (bytes.readUInt32LE(at + i) === 0) return false;
  let high = 0;
  let distinct = 0;
  const seen = new Uint32Array(8);
  for (let i = 0; i < SEED; i += 1) {
    const byte = bytes[at + i] ?? 0;
    high += byte >> 7;
    const word = seen[byte >> 5] ?? 0;
    const bit = 1 << (byte & 31);
    if ((word & bit) === 0) distinct += 1;
    seen[byte >> 5] = word | bit;
  }
  return distinct >= 22 && high >= 5 && high <= 27;
}

/** The fingerprints of `known` whose seeds lie in `bytes` at a multiple of `step`; `tried` remembers what has been derived already. */
export function seedsIn(
  bytes: Buffer,
  known: ReadonlySet<string>,
  step = 8,
  tried = new Set<string>(),
): Set<string> {
  const found = new Set<string>();
  for (let at = 0; at + SEED <= bytes.length; at += step) {
    if (!looksRandom(bytes, at)) continue;
    const window = bytes.subarray(at, at + SEED);
    const name = window.toString('latin1');
    if (tried.has(name)) continue;
    tried.add(name);
    const candidate = fingerprintOfSeed(window);
    if (known.has(candidate)) found.add(candidate);
  }
  return found;
}

/** As `seedsIn`, for what may be a seed in hex or base64 anywhere in a text, alone or inside something longer. */
export function seedsInText(text: string, known: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  const tried = new Set<string>();
  const look = (bytes: Buffer) => {
    for (const each of seedsIn(bytes, known, 1, tried)) found.add(each);
  };
  look(Buffer.from(text));
  for (const [digits] of text.matchAll(/[0-9a-f]{64,}/gi)) look(Buffer.from(digits, 'hex'));
  for (const [digits] of text.matchAll(/[\w+/-]{43,}/g)) look(Buffer.from(digits, 'base64'));
  return found;
}

/** Start and length of the writable private mappings of a process (proc_pid_maps(5)). */
function mappings(pid: number): Array<{ start: number; length: number }> {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const [, from = '', to = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw.p /.exec(line) ?? [];
      const start = Number.parseInt(from, 16);
      return from === '' ? [] : [{ start, length: Number.parseInt(to, 16) - start }];
    });
}

/** A copy of a process's writable memory, in pieces that begin at multiples of 8. Needs root, or to be allowed to trace the process. */
export function readMemory(pid: number): Buffer[] {
  const fd = openSync(`/proc/${pid}/mem`, 'r');
  const pieces: Buffer[] = [];
  try {
    for (const { start, length } of mappings(pid)) {
      for (let at = 0; at < length; at += PIECE) {
        // A seed may lie across the end of a piece.
        const piece = Buffer.allocUnsafe(Math.min(PIECE + SEED, length - at));
        try {
          pieces.push(piece.subarray(0, readSync(fd, piece, 0, piece.length, start + at)));
        } catch (thrown) {
          // Freed since the list was read.
          if (errnoOf(thrown) !== 'EIO') throw thrown;
        }
      }
    }
  } finally {
    closeSync(fd);
  }
  return pieces;
}

/** The fingerprints of `known` whose private keys lie in a process's memory now. */
export function keysInMemory(
  pid: number,
  known: ReadonlySet<string>,
  tried = new Set<string>(),
): Set<string> {
  const found = new Set<string>();
  // Read first and look afterwards: what is looked at is one moment.
  for (const piece of readMemory(pid)) for (const each of seedsIn(piece, known, 8, tried)) found.add(each);
  return found;
}
