/**
 * The second of two nets: the record's allow-list has no field for a secret, and a value that looks like one is refused
 * all the same: tokens and keys by their shapes (system/secret-shapes.ts), and what is long and random as keys and passwords made by machines
 * are. It is not a scanner for secrets in general.
 */
import { WardenError } from '../errors.ts';
import { holdsRandom, holdsToken } from '../system/secret-shapes.ts';

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
