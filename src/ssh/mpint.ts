/**
 * Positive multiple-precision integers (RFC 4251 section 5, "mpint") of keys and signatures.
 * Stricter than OpenSSH's sshbuf_get_bignum2_bytes_direct, which trims leading zeros: only the one canonical
 * encoding is read, so that two different blobs never mean the same key. Not here: zero and negative numbers.
 */
import { WardenError } from '../errors.ts';
import type { Reader } from './wire.ts';

/**
 * Takes the next mpint; returns its magnitude, big-endian, without the sign byte (a view, never empty).
 * Throws WardenError `malformed` if it is zero, negative, not minimal or longer than `maxBytes` of magnitude.
 */
export function readPositiveMpint(reader: Reader, maxBytes: number): Buffer {
  const bytes = reader.string(maxBytes + 1);
  const first = bytes[0];
  if (first === undefined) throw new WardenError('malformed', 'malformed SSH data: a number is zero');
  if (first >= 0x80) throw new WardenError('malformed', 'malformed SSH data: a number is negative');
  const magnitude = first === 0 ? bytes.subarray(1) : bytes;
  if (first === 0 && (magnitude[0] ?? 0) < 0x80) {
    throw new WardenError('malformed', 'malformed SSH data: a number has needless leading zeros');
  }
  if (magnitude.length > maxBytes)
    throw new WardenError('malformed', 'malformed SSH data: a number is too long');
  return magnitude;
}

/** The body of an mpint (for `Writer.string`) for a big-endian magnitude that may have leading zeros. */
export function mpintBody(magnitude: Buffer): Buffer {
  let start = 0;
  while (start < magnitude.length && magnitude[start] === 0) start++;
  const trimmed = magnitude.subarray(start);
  return (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed;
}
