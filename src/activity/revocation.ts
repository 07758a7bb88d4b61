/**
 * What revokes one certificate: a line of a KRL specification (ssh-keygen(1), KEY REVOCATION LISTS), and what is known of the certificate.
 * Left out: writing the KRL, which takes the CA's public key, and bringing it to the hosts.
 */
import type { Issuance } from './issuances.ts';

/** RFC draft of OpenSSH certificates, PROTOCOL.certkeys: serial is a uint64. */
const MAX_SERIAL = 2n ** 64n - 1n;

/** A serial as `ssh-keygen -L`, sshd's log and the trail print it; undefined for anything else, and for 0, which sshd never matches. */
export function parseSerial(text: string): string | undefined {
  if (!/^[1-9]\d{0,19}$/.test(text) || BigInt(text) > MAX_SERIAL) return undefined;
  return text;
}

/** The line for `ssh-keygen -k`. */
export function krlLine(serial: string): string {
  return `serial: ${serial}`;
}

/** What becomes of revoking: who had it for where, and whether it has ended by itself. `now`: milliseconds since the epoch. */
export function describeRevoked(issuance: Issuance | undefined, now: number): string {
  if (issuance?.cert === undefined) return 'this trail knows no certificate with that serial';
  const { actor, host, lane, ts, cert } = issuance;
  const until = cert.valid_before;
  const ended = until !== undefined && Date.parse(until) < now;
  const when =
    until === undefined
      ? ''
      : `, good until ${until}${ended ? ': it has ended, there is nothing left to revoke' : ''}`;
  return `${actor?.id ?? 'somebody'} for ${host ?? lane ?? 'a host'} at ${ts}${when}`;
}
