/** A certificate for a file (design.md, promise 4): what `warden sign` and `warden issue` ask for and get, of the daemon or of themselves. */
import * as z from 'zod/mini';

/** An RSA key of 16384 bits has 2,800 characters, a comment may be long. */
const MAX_KEY_LINE = 16 * 1024;

const name = z.string().check(z.maxLength(128));

export const fileRequestSchema = z.strictObject({
  /** Which command asks. */
  command: z.enum(['sign', 'issue']),
  actor: name,
  /** The line of a `.pub` file. */
  public_key: z.string().check(z.maxLength(MAX_KEY_LINE)),
  /** Some of the actor's; all of them where it is left out. */
  principals: z.optional(z.array(name).check(z.minLength(1), z.maxLength(256))),
  /** The actor's cap where it is left out. */
  ttl_seconds: z.optional(z.int().check(z.positive())),
  /** For the trail. */
  reason: z.optional(z.string().check(z.maxLength(512))),
});
export type FileRequest = z.infer<typeof fileRequestSchema>;

export const fileCertificateSchema = z.object({
  actor: z.string(),
  /** One line: type and base64. */
  certificate: z.string(),
  /** Decimal. */
  serial: z.string(),
  key_id: z.string(),
  principals: z.array(z.string()),
  /** ISO 8601. */
  valid_after: z.string(),
  valid_before: z.string(),
  /** `SHA256:…` of the key, and of the CA's. */
  fp: z.string(),
  ca_fp: z.string(),
  /** What the records of this issuance share in the trail. */
  corr: z.string(),
  /** Where ACTOR-cert.pub is kept: state_dir. */
  state_dir: z.string(),
});
export type FileCertificate = z.infer<typeof fileCertificateSchema>;
