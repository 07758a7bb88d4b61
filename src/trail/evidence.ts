/**
 * Records of something observed (a tunnel's cutover, a gate that denies, a promotion), signed with the trail's key as a note (C2SP
 * signed-note). Each names the trail's head: who keeps the record can tell later whether the trail was rewritten.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import type { AuditKey } from './audit-key.ts';
import { isSignedBy, type NoteKey, parseNote, signNote } from './note.ts';

export interface Evidence {
  readonly v: 1;
  readonly kind: 'tunnel-cutover' | 'policy-smoke' | 'route-promotion';
  readonly trail_head: { readonly seq: number; readonly hash: string };
}

/** The record as a signed note: JSON, an empty line, the signature's line. */
export function signEvidence(record: Evidence, key: AuditKey): string {
  return signNote(`${JSON.stringify(record, null, 2)}\n`, key, (bytes) => key.sign(bytes));
}

const head = z.looseObject({
  kind: z.string().max(64),
  trail_head: z.object({ seq: z.int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
});

/** The head of the trail that a signed record names. Throws `malformed` where it is none, or not signed by `key`. */
export function readEvidence(note: string, key: NoteKey): Evidence['trail_head'] {
  const parsed = parseNote(note);
  if (parsed === undefined || !isSignedBy(parsed, key))
    throw new WardenError('malformed', `the record is not signed by ${key.name}`, {
      hint: 'it was changed, or it is of another trail; --key takes another key',
    });
  try {
    return head.parse(JSON.parse(parsed.text)).trail_head;
  } catch (cause) {
    throw new WardenError('malformed', 'what is signed is no record that names the head of a trail', {
      cause,
    });
  }
}
