/**
 * The second of two nets: the record's allow-list has no field for a secret, and a value that looks like one is refused
 * all the same.
 */
import { WardenError } from '../errors.ts';
import { holdsToken } from '../system/secret-shapes.ts';

/** Throws `malformed` if the text holds something that looks like a secret; the error does not repeat it. */
export function refuseSecrets(text: string): void {
  if (!holdsToken(text)) return;
  throw new WardenError(
    'malformed',
    'a trail record would hold something that looks like a token or a private key',
    {
      hint: 'nothing was written; if it is a name (host, login, actor), choose one that does not look like a token',
    },
  );
}
