/**
 * Nothing that OpenBao answers is believed: the certificate must be a user certificate for the key that was sent, by an expected CA,
 * for principals, a length of validity and options no wider than asked. Narrower is fine.
 *
 * Time is OpenBao's (design.md): the length of the validity is checked by itself, absolute times only against the server's own `Date`.
 */
import { asWardenError, WardenError } from '../errors.ts';
import {
  type Certificate,
  certificateBlobOf,
  parseCertificate,
  verifyCertificate,
} from '../ssh/certificate.ts';
import { fingerprint } from '../ssh/public-key.ts';

/** OpenBao backdates by the role's not_before_duration: 30 s by default, more where hosts' clocks are poor. */
export const BACKDATE_ALLOWANCE_S = 300;
/** Key ids that can't pass for something else in a line of sshd's log (notes on joining sources: a space, a bracket or a newline could). */
const HARMLESS_KEY_ID = /^[\w.:@+,/=-]{0,256}$/;
/** Differences between clocks that nobody needs to hear of. */
export const SKEW_ALLOWANCE_S = 30;

export interface Asked {
  /** The plain public key blob that was sent. */
  readonly publicKey: Buffer;
  readonly principals: readonly string[];
  readonly ttlSeconds: number;
  /** Undefined: the role's defaults, whatever they are. */
  readonly extensions: readonly string[] | undefined;
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly expectedCas: readonly string[];
  /** Milliseconds since the epoch by the server's `Date` header. */
  readonly serverTime: number | undefined;
}

export interface CheckedCertificate {
  readonly blob: Buffer;
  readonly certificate: Certificate;
}

function refuse(what: string, hint: string): WardenError {
  return new WardenError('certificate_refused', `OpenBao's certificate is not what was asked for: ${what}`, {
    hint,
  });
}

function checkValidity(certificate: Certificate, asked: Asked): void {
  const length = certificate.validBefore - certificate.validAfter;
  const longest = BigInt(asked.ttlSeconds + BACKDATE_ALLOWANCE_S);
  if (length <= 0n || length > longest) {
    throw refuse(
      `it is valid for ${length} s, at most ${longest} s were asked for`,
      "lower the role's max_ttl and ttl",
    );
  }
  if (asked.serverTime === undefined) return;
  const server = BigInt(Math.floor(asked.serverTime / 1000));
  const slack = BigInt(SKEW_ALLOWANCE_S);
  if (certificate.validAfter > server + slack || certificate.validBefore <= server - slack) {
    throw refuse("it is not valid now by the server's own clock", "look at the server's clock");
  }
  if (certificate.validBefore > server + BigInt(asked.ttlSeconds) + slack) {
    throw refuse('it lasts longer than was asked for', "lower the role's max_ttl and ttl");
  }
}

function checkOptions(certificate: Certificate, asked: Asked): void {
  for (const [name, value] of Object.entries(asked.criticalOptions)) {
    if (certificate.criticalOptions.get(name) !== value) {
      throw refuse(
        `the critical option ${name} was dropped or changed`,
        "let the role's allowed_critical_options include it",
      );
    }
  }
  if (asked.extensions === undefined) return;
  const extra = [...certificate.extensions.keys()].filter((name) => !asked.extensions?.includes(name));
  if (extra.length > 0) {
    throw refuse(
      `it has extensions that were not asked for: ${extra.join(', ')}`,
      "correct the role's default_extensions, or the lane's extensions",
    );
  }
}

function readCertificate(signedKey: string): CheckedCertificate {
  try {
    const blob = certificateBlobOf(signedKey);
    return { blob, certificate: parseCertificate(blob) };
  } catch (cause) {
    const { message } = asWardenError(cause);
    throw new WardenError('bad_certificate', `OpenBao's certificate can't be read: ${message}`, {
      hint: 'is openbao.mount an SSH secrets engine, and nothing between warden and OpenBao?',
      cause,
    });
  }
}

/** Parses `signedKey` and checks it against what was asked. Throws `bad_certificate`, `certificate_refused`, `unexpected_ca`. */
export function checkCertificate(signedKey: string, asked: Asked): CheckedCertificate {
  const checked = readCertificate(signedKey);
  const { certificate } = checked;
  if (certificate.certType !== 'user') throw refuse('it is a host certificate', 'is this the right role?');
  if (!certificate.publicKey.equals(asked.publicKey))
    throw refuse('it certifies another key', 'is there a cache in front of OpenBao?');
  const ca = fingerprint(certificate.signatureKey);
  if (!asked.expectedCas.includes(ca)) {
    throw new WardenError('unexpected_ca', `the certificate was signed by an unexpected CA ${ca}`, {
      hint: 'if the CA was rotated on purpose: set openbao.ssh_ca, or remove state_dir/ssh-ca.json to learn it anew',
    });
  }
  if (!verifyCertificate(certificate))
    throw refuse("the CA's signature is wrong", 'is there something between warden and OpenBao?');
  if (!HARMLESS_KEY_ID.test(certificate.keyId)) {
    throw refuse(
      "its key id could forge a line of sshd's log",
      "look at the role's key_id_format and the token's display name",
    );
  }
  // A certificate without principals is good for every login name (PROTOCOL.certkeys).
  if (certificate.principals.length === 0)
    throw refuse('it names no principals', "let the role's allowed_users include the lane's principals");
  const wider = certificate.principals.filter((name) => !asked.principals.includes(name));
  if (wider.length > 0)
    throw refuse(`it names principals that were not asked for: ${wider.join(', ')}`, 'look at the role');
  checkValidity(certificate, asked);
  checkOptions(certificate, asked);
  return checked;
}
