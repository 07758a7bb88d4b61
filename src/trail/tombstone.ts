/**
 * Tombstones: what retention has removed, signed, in the trail before the file goes. One for each segment: a trail that begins behind it
 * is whole. The text is a checkpoint's with `removed FIRST LAST` in the number's place. Pure.
 */
import { isSignedBy, type NoteKey, parseNote, signNote } from './note.ts';

/** What a tombstone says. */
export interface Tombstone {
  /** Numbers of the first and the last record that were removed. */
  readonly first: number;
  readonly last: number;
  /** SHA-256 of the last one's line, hex: the next one's `prev`. */
  readonly hash: string;
  /** ISO 8601. */
  readonly ts: string;
}

/** A tombstone as a note. */
export function encodeTombstone(
  { first, last, hash, ts }: Tombstone,
  key: NoteKey,
  sign: (bytes: Buffer) => Buffer,
): string {
  const root = Buffer.from(hash, 'hex').toString('base64');
  return signNote(`${key.name}\nremoved ${first} ${last}\n${root}\ntime ${ts}\n`, key, sign);
}

const BODY =
  /^([^\s+]{1,256})\nremoved (\d{1,15}) (\d{1,15})\n([A-Za-z0-9+/]{43}=)\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n$/;

/** Reads a tombstone. `signed` says whether by `key`; undefined where the note is none. */
export function readTombstone(
  note: string,
  key: NoteKey,
): (Tombstone & { readonly signed: boolean }) | undefined {
  const parsed = parseNote(note);
  const [, origin, first, last, root, ts] = BODY.exec(parsed?.text ?? '') ?? [];
  if (parsed === undefined || root === undefined || ts === undefined) return undefined;
  const hash = Buffer.from(root, 'base64').toString('hex');
  const signed = origin === key.name && isSignedBy(parsed, key);
  return { first: Number(first), last: Number(last), hash, ts, signed };
}
