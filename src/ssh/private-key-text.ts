/** Private keys in text, wherever somebody names the wrong file. Alone in its file: it is asked before anything heavy is loaded. */
import { WardenError } from '../errors.ts';

/** Throws `bad_key` where the text holds a private key; it is not repeated. */
export function refusePrivateKey(text: string): void {
  if (!/PRIVATE KEY/.test(text)) return;
  throw new WardenError('bad_key', 'this is a private key, which nobody else may see', {
    hint: 'name the public key beside it: the file ending in .pub',
  });
}
