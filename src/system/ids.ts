/** Identifiers that sort by time: ULIDs (128 bits: 48 of milliseconds, 80 random; Crockford's base32). */
import { randomBytes } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A new ULID for the time `now` (milliseconds since the epoch): 26 characters. */
export function ulid(now: number): string {
  let time = '';
  for (let rest = now, i = 0; i < 10; i += 1) {
    time = ALPHABET.charAt(rest % 32) + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  // 16 bytes of which 5 bits each are used: simpler than repacking 80 bits, and as random.
  for (const byte of randomBytes(16)) random += ALPHABET.charAt(byte & 31);
  return time + random;
}
