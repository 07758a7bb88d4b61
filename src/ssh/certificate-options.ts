/**
 * Critical options and extensions of certificates: PROTOCOL.certkeys, "Critical options" and "Extensions".
 * What an option means is not decided here, only what it says.
 */
import { WardenError } from '../errors.ts';
import { Reader } from './wire.ts';

export interface CertificateOption {
  readonly name: string;
  /** The data field as it stands: empty for a flag, usually one more string inside for a value. */
  readonly data: Buffer;
}

/** Options whose data sshd reads as one string (auth-options.c: cert_option_list); anything else there is no certificate. */
const VALUED: readonly string[] = ['force-command', 'source-address'];

function bad(what: string): WardenError {
  return new WardenError('bad_certificate', `bad certificate: ${what}`);
}

/** The string inside an option's data, or undefined if the data is not exactly one text. */
export function optionText(data: Buffer): string | undefined {
  try {
    const reader = new Reader(data);
    const text = reader.text();
    reader.end();
    return text;
  } catch {
    return undefined;
  }
}

/**
 * Splits a section into its options, in order. Throws WardenError `malformed`, or `bad_certificate` if names are
 * not in lexical order, come twice (both are "must" in PROTOCOL.certkeys; ssh-keygen and Go's signer keep them) or
 * a critical force-command or source-address is not one string.
 */
export function readOptions(section: Buffer, critical: boolean): CertificateOption[] {
  const reader = new Reader(section);
  const options: CertificateOption[] = [];
  let previous: Buffer | undefined;
  while (reader.remaining > 0) {
    const name = reader.text();
    const data = reader.string();
    const bytes = Buffer.from(name, 'utf8');
    if (previous !== undefined && Buffer.compare(previous, bytes) >= 0) {
      throw bad('its options are not in order, or one comes twice');
    }
    if (critical && VALUED.includes(name) && optionText(data) === undefined)
      throw bad(`${name} has no value`);
    options.push({ name, data });
    previous = bytes;
  }
  return options;
}

/** Name to value: `''` for a flag, the string inside the data, or the data as `0x…` where it is not one string. */
export function optionValues(options: readonly CertificateOption[]): Map<string, string> {
  const value = (data: Buffer): string =>
    data.length === 0 ? '' : (optionText(data) ?? `0x${data.toString('hex')}`);
  return new Map(options.map(({ name, data }) => [name, value(data)]));
}
