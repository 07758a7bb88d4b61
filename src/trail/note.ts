/**
 * Signed notes (C2SP signed-note): a text, then a line for each signature, which names its key. Here with one ed25519 key per note; lines
 * of other keys are let by, as the format demands. Pure.
 */
import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';

/** A key's algorithm byte: ed25519 (C2SP signed-note, "Signatures"). */
const ED25519 = 1;
const KEY_ID_BYTES = 4;
const DASH = '\u2014';
/** The DER in front of a raw ed25519 public key (RFC 8410). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Who signs: a name without blanks and plus signs, and the raw public key of 32 bytes. */
export interface NoteKey {
  readonly name: string;
  readonly publicKey: Buffer;
}

/** The first bytes of SHA-256 over name, newline, algorithm and key: which key a signature is by. */
function keyId({ name, publicKey }: NoteKey): Buffer {
  const text = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ED25519]), publicKey]);
  return hash('sha256', text, 'buffer').subarray(0, KEY_ID_BYTES);
}

/** `name+hex key id+base64 of algorithm and key`: C2SP's form of a verifier key. */
export function encodeVerifierKey(key: NoteKey): string {
  const encoded = Buffer.concat([Buffer.from([ED25519]), key.publicKey]).toString('base64');
  return `${key.name}+${keyId(key).toString('hex')}+${encoded}`;
}

/** Reads a verifier key; undefined where it is none, or its key id is another's. */
export function parseVerifierKey(text: string): NoteKey | undefined {
  const [, name, id, encoded] =
    /^([^\s+]{1,256})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text.trim()) ?? [];
  if (name === undefined || id === undefined || encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== 33 || bytes[0] !== ED25519) return undefined;
  const key = { name, publicKey: bytes.subarray(1) };
  return keyId(key).toString('hex') === id ? key : undefined;
}

/** The key as node:crypto has it. */
export function publicKeyObject({ publicKey }: NoteKey): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
}

/** The note: `text` (which ends in a newline), an empty line, the signature's line. `sign` is given the bytes to sign. */
export function signNote(text: string, key: NoteKey, sign: (bytes: Buffer) => Buffer): string {
  const signature = Buffer.concat([keyId(key), sign(Buffer.from(text))]).toString('base64');
  return `${text}\n${DASH} ${key.name} ${signature}\n`;
}

/** A note taken apart, unverified. */
export interface Note {
  /** What was signed, with its last newline. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly bytes: Buffer }[];
}

/** Reads a note; undefined where it is none. */
export function parseNote(note: string): Note | undefined {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  const signatures = lines.map((line) => {
    const [, name = '', encoded = ''] =
      new RegExp(`^${DASH} ([^\\s+]+) ([A-Za-z0-9+/]+={0,2})$`).exec(line) ?? [];
    return { name, bytes: Buffer.from(encoded, 'base64') };
  });
  const whole = signatures.every(({ name, bytes }) => name !== '' && bytes.length > KEY_ID_BYTES);
  return whole ? { text: note.slice(0, split + 1), signatures } : undefined;
}

/** Whether one of the note's signatures is by the key and right. */
export function isSignedBy({ text, signatures }: Note, key: NoteKey): boolean {
  const id = keyId(key);
  return signatures.some(
    ({ name, bytes }) =>
      name === key.name &&
      bytes.subarray(0, KEY_ID_BYTES).equals(id) &&
      verify(null, Buffer.from(text), publicKeyObject(key), bytes.subarray(KEY_ID_BYTES)),
  );
}
