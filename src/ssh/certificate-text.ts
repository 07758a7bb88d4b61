/**
 * A certificate for people, in the words of `ssh-keygen -L` (ssh-keygen.c: print_cert, show_options;
 * sshkey.c: sshkey_format_cert_validity), for the local time zone.
 * Other than ssh-keygen: no first line with a file's name; control characters are written as octal escapes.
 */

import { type Certificate, FOREVER } from './certificate.ts';
import { optionText, readOptions } from './certificate-options.ts';
import { fingerprint } from './public-key.ts';
import { Reader } from './wire.ts';

const FLAGS: readonly string[] = [
  'permit-X11-forwarding',
  'permit-agent-forwarding',
  'permit-port-forwarding',
  'permit-pty',
  'permit-user-rc',
  'no-touch-required',
];
const INDENT = ' '.repeat(16);
/** The last second that a Date can hold. */
const LAST_SECOND = 8_640_000_000_000n;

/** `ssh-ed25519` → `ED25519`: OpenSSH's short names. */
function shortName(keyType: string): string {
  const name = keyType.includes('ecdsa') ? 'ECDSA' : keyType.includes('ed25519') ? 'ED25519' : 'RSA';
  return keyType.startsWith('sk-') ? `${name}-SK` : name;
}

function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\${control.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function localTime(seconds: bigint): string {
  const date = new Date(Number(seconds > LAST_SECOND ? LAST_SECOND : seconds) * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function validity({ validAfter, validBefore }: Certificate): string {
  if (validAfter === 0n && validBefore === FOREVER) return 'forever';
  if (validAfter === 0n) return `before ${localTime(validBefore)}`;
  if (validBefore === FOREVER) return `after ${localTime(validAfter)}`;
  return `from ${localTime(validAfter)} to ${localTime(validBefore)}`;
}

/** ` (for another 118 s)`, ` (expired)`, ` (not yet)`. */
function validNow({ validAfter, validBefore }: Certificate, now: number): string {
  const seconds = BigInt(Math.floor(now / 1000));
  if (seconds < validAfter) return ' (not yet)';
  if (seconds >= validBefore) return ' (expired)';
  return validBefore === FOREVER ? '' : ` (for another ${validBefore - seconds} s)`;
}

function optionLines(section: Buffer, critical: boolean): string[] {
  return readOptions(section, critical).map(({ name, data }) => {
    const label = `${INDENT}${printable(name)}`;
    const text = optionText(data);
    if (critical && (name === 'force-command' || name === 'source-address')) {
      return `${label} ${printable(text ?? '')}`;
    }
    if (data.length > 0) return `${label} UNKNOWN OPTION: ${data.toString('hex')} (len ${data.length})`;
    const known = critical ? name === 'verify-required' : FLAGS.includes(name);
    return known ? label : `${label} UNKNOWN FLAG OPTION`;
  });
}

/** `Principals: (none)`, or the title with a line for each below it. */
function block(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [`        ${title}: (none)`] : [`        ${title}: `, ...lines];
}

/**
 * The certificate as `ssh-keygen -L` prints it, with a newline at the end. `now` (milliseconds since the epoch) adds to
 * the validity what it means at that moment.
 */
export function describeCertificate(cert: Certificate, now?: number): string {
  const name = shortName(cert.keyType);
  const ca = shortName(new Reader(cert.signatureKey).text());
  const moment = now === undefined ? '' : validNow(cert, now);
  const lines = [
    `        Type: ${cert.type} ${cert.certType} certificate`,
    `        Public key: ${name}-CERT ${fingerprint(cert.publicKey)}`,
    `        Signing CA: ${ca} ${fingerprint(cert.signatureKey)} (using ${printable(cert.signatureType)})`,
    `        Key ID: "${printable(cert.keyId)}"`,
    `        Serial: ${cert.serial}`,
    `        Valid: ${validity(cert)}${moment}`,
    ...block(
      'Principals',
      cert.principals.map((principal) => `${INDENT}${printable(principal)}`),
    ),
    ...block('Critical Options', optionLines(cert.rawCriticalOptions, true)),
    ...block('Extensions', optionLines(cert.rawExtensions, false)),
  ];
  return `${lines.join('\n')}\n`;
}
