/**
 * Checkpoints: what the trail was at a moment, signed, so that a copy kept elsewhere finds whatever is cut, changed or made anew
 * afterwards. The text is that of C2SP tlog-checkpoint (origin, size, root hash), with two differences that the chain makes: the
 * size is the last record's sequence number, and the root is that record's SHA-256. A line with the time follows. Pure.
 */
import { isSignedBy, type NoteKey, parseNote, signNote } from './note.ts';

/** What a checkpoint says. */
export interface Checkpoint {
  /** The name of the key: one trail, one key. */
  readonly origin: string;
  readonly seq: number;
  /** SHA-256 of that record's line, hex. */
  readonly hash: string;
  /** ISO 8601. */
  readonly ts: string;
}

/** A checkpoint as a note. */
export function encodeCheckpoint(
  { seq, hash, ts }: Omit<Checkpoint, 'origin'>,
  key: NoteKey,
  sign: (bytes: Buffer) => Buffer,
): string {
  const root = Buffer.from(hash, 'hex').toString('base64');
  return signNote(`${key.name}\n${seq}\n${root}\ntime ${ts}\n`, key, sign);
}

const BODY =
  /^([^\s+]{1,256})\n(\d{1,15})\n([A-Za-z0-9+/]{43}=)\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\n$/;

/** Reads a checkpoint. `signed` says whether by `key`; undefined where the note is no checkpoint. */
export function readCheckpoint(
  note: string,
  key: NoteKey,
): (Checkpoint & { readonly signed: boolean }) | undefined {
  const parsed = parseNote(note);
  const [, origin, size, root, ts] = BODY.exec(parsed?.text ?? '') ?? [];
  if (parsed === undefined || origin === undefined || root === undefined || ts === undefined)
    return undefined;
  const hash = Buffer.from(root, 'base64').toString('hex');
  return { origin, seq: Number(size), hash, ts, signed: origin === key.name && isSignedBy(parsed, key) };
}

/** The notes in a text that holds several, one after the other, such as a file that each was appended to. */
export function splitNotes(text: string): string[] {
  const notes = text.split(/(?<=\n\u2014 [^\n]+\n)(?!\u2014 )/);
  return notes.map((note) => note.replace(/^\n+/, '')).filter((note) => note !== '');
}
