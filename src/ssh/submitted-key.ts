/** A public key that somebody wants certified: one `.pub` line, and of a kind that is worth a certificate. */
import { WardenError } from '../errors.ts';
import { isCertificateType } from './certificate.ts';
import { refusePrivateKey } from './private-key-text.ts';
import { type PublicKey, parsePublicKey, parsePublicKeyLine } from './public-key.ts';

/** What RSA keys are held to (NIST SP 800-57 part 1, table 2: 128 bits of security). */
const RSA_LEAST_BITS = 3072;

function bad(message: string, hint: string): WardenError {
  return new WardenError('bad_key', message, { hint });
}

/**
 * The key of `text`, the content of a `.pub` file. Throws `bad_key` for a private key (which is not repeated), a certificate, RSA below
 * 3072 bits and DSA; `malformed` and `limit_exceeded` for what is no key line.
 */
export function readSubmittedKey(text: string): PublicKey {
  refusePrivateKey(text);
  if (text.trim() === '')
    throw bad('there is no public key: the input is empty', 'name a .pub file, or send its line to -');
  const { type, blob } = parsePublicKeyLine(`${text.trim()}\n`);
  if (isCertificateType(type))
    throw bad(
      'this is a certificate already',
      'name the plain public key: the file ending in .pub, not in -cert.pub',
    );
  const key = parsePublicKey(blob);
  if (key.type === 'ssh-rsa' && key.bits < RSA_LEAST_BITS)
    throw bad(
      `an RSA key of ${key.bits} bits is too short`,
      `make a new one: ssh-keygen -t ed25519 (or RSA with ${RSA_LEAST_BITS} bits)`,
    );
  return key;
}
