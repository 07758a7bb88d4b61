/** A certificate for a file (design.md, promise 4): what `warden sign` and `warden issue` ask for and get, of the daemon or of themselves. */
import { exactly, list, maybe, type Of, object, positiveInteger, text, word } from '../control/shape.ts';

/** An RSA key of 16384 bits has 2,800 characters, a comment may be long. */
const MAX_KEY_LINE = 16 * 1024;

const name = text(128);

export const fileRequestSchema = exactly({
  /** Which command asks. */
  command: word('sign', 'issue'),
  actor: name,
  /** The line of a `.pub` file. */
  public_key: text(MAX_KEY_LINE),
  /** Some of the actor's; all of them where it is left out. */
  principals: maybe(list(name, { least: 1, most: 256 })),
  /** The actor's cap where it is left out. */
  ttl_seconds: maybe(positiveInteger),
  /** For the trail. */
  reason: maybe(text(512)),
});
export type FileRequest = Of<typeof fileRequestSchema>;

export const fileCertificateSchema = object({
  actor: text(),
  /** One line: type and base64. */
  certificate: text(),
  /** Decimal. */
  serial: text(),
  key_id: text(),
  principals: list(text()),
  /** ISO 8601. */
  valid_after: text(),
  valid_before: text(),
  /** `SHA256:…` of the key, and of the CA's. */
  fp: text(),
  ca_fp: text(),
  /** What the records of this issuance share in the trail. */
  corr: text(),
  /** Where ACTOR-cert.pub is kept: state_dir. */
  state_dir: text(),
});
export type FileCertificate = Of<typeof fileCertificateSchema>;
