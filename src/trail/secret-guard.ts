/**
 * The second of two nets: the record's allow-list has no field for a secret, and a value that looks like one is refused
 * all the same. Knows the tokens that could come near warden (secret-shapes.ts), and what is long and random as keys and passwords made by
 * machines are.
 */
import { WardenError } from '../errors.ts';
import { holdsToken } from '../system/secret-shapes.ts';

/** Long runs; a fingerprint is one whole, so that no part of it is taken for another. */
const RUN = /SHA256:[A-Za-z0-9+/]{43}|[A-Za-z0-9+]{32,}/g;

/**
 * Whether the kind of character (upper, lower, digit) changes as in random base62 or base64: at six places of ten, and to digits more than
 * once. In words that are written together there are no digits in between; hex, ULIDs and UUIDs have not all three kinds.
 */
function isRandom(run: string): boolean {
  const kinds = run
    .replace(/[0-9+]/g, '0')
    .replace(/[A-Z]/g, 'A')
    .replace(/[a-z]/g, 'a');
  const groups = kinds.match(/0+|A+|a+/g) ?? [];
  const digits = groups.filter((group) => group.startsWith('0'));
  return kinds.includes('A') && kinds.includes('a') && digits.length > 1 && groups.length > 0.4 * run.length;
}

function holdsRandom(text: string): boolean {
  for (const [run] of text.matchAll(RUN)) {
    if (!run.startsWith('SHA256:') && isRandom(run)) return true;
  }
  return false;
}

/**
 * Throws `malformed` if the text holds something that looks like a secret; the error does not repeat it. `notes` is what is signed, and
 * random by nature: only the shapes of tokens and keys are looked for in it.
 */
export function refuseSecrets(text: string, notes = ''): void {
  if (!holdsToken(text) && !holdsToken(notes) && !holdsRandom(text)) return;
  throw new WardenError(
    'malformed',
    'a trail record would hold something that looks like a token or a private key',
    {
      hint: 'nothing was written; if it is a name (host, login, actor), choose one that does not look like a token',
    },
  );
}
