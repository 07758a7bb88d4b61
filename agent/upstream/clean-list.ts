/**
 * The upstream's list, cleaned: one certificate that does not verify, one truncated key or one NUL in a comment makes ssh drop
 * every identity (`sshkey_from_blob` in `authfd.c: ssh_fetch_identitylist`), the minted one too. Key types that warden does not
 * know are kept: ssh skips them by itself.
 */
import { asWardenError } from '../../src/errors.ts';
import { isCertificateType, parseCertificate, verifyCertificate } from '../../src/ssh/certificate.ts';
import { isKeyType, parsePublicKey } from '../../src/ssh/public-key.ts';
import { Reader } from '../../src/ssh/wire.ts';
import { type Identity, MAX_IDENTITIES, MESSAGE, parseIdentities } from '../protocol/messages.ts';

/** What ssh would refuse to read. Where warden's parser is only stricter than ssh's (old CAs, odd options), the entry stays. */
function breaksTheList(blob: Buffer): boolean {
  try {
    const type = new Reader(blob).text(256);
    if (isCertificateType(type)) {
      const certificate = parseCertificate(blob);
      return certificate.signatureType !== 'ssh-rsa' && !verifyCertificate(certificate);
    }
    if (isKeyType(type)) parsePublicKey(blob);
    return false;
  } catch (thrown) {
    return asWardenError(thrown).code === 'malformed';
  }
}

/** The usable identities of an upstream's answer; none where it is no list at all. */
export function cleanList(answer: Buffer): Identity[] {
  if (answer[0] !== MESSAGE.identitiesAnswer) return [];
  let identities: Identity[];
  try {
    identities = parseIdentities(answer);
  } catch {
    return [];
  }
  return identities
    .filter(({ blob }) => !breaksTheList(blob))
    .slice(0, MAX_IDENTITIES - 1)
    .map(({ blob, comment }) => ({ blob, comment: comment.replaceAll('\0', '') }));
}
