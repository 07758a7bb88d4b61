/**
 * Decides about a login as sshd does (auth2-pubkey.c user_cert_trusted_ca, sshkey.c sshkey_cert_check_authority, auth-options.c):
 * certificates of trusted CAs whose principals name the login, and plain keys of a list. Left out: AuthorizedPrincipalsCommand,
 * revoked keys, options in front of authorized keys, security keys' verify-required (an unknown critical option here: refused).
 */
import ssh2, { type PublicKeyAuthContext } from 'ssh2';
import { contains, parseAddress } from '../catalog/address.ts';
import {
  type Certificate,
  isCertificateType,
  parseCertificate,
  verifyCertificate,
} from '../ssh/certificate.ts';
import { fingerprint, parsePublicKey } from '../ssh/public-key.ts';
import { verifySignature } from '../ssh/signature.ts';

/** What a login may do. */
export interface Permissions {
  readonly pty: boolean;
  readonly portForwarding: boolean;
  /** Runs in place of whatever the client asks for. */
  readonly forceCommand: string | undefined;
}

/** Who logged in, for the callback. */
export interface LoginReport {
  readonly user: string;
  /** `SHA256:…` of the plain key. */
  readonly fingerprint: string;
  /** Undefined for a plain key. */
  readonly certificate: Certificate | undefined;
  /** The client's address and port. */
  readonly remote: string;
}

export interface LoginRules {
  readonly logins: readonly string[];
  /** Fingerprints of the CAs that sign user certificates. */
  readonly trustedCas: readonly string[];
  /** Principals that may log in as a user; by default the login name itself, as sshd without AuthorizedPrincipalsFile. */
  readonly principals?: Readonly<Record<string, readonly string[]>>;
  /** Lines of plain keys, asked for anew at each login. */
  authorizedKeys(): readonly string[];
}

export interface Peer {
  readonly address: string;
  readonly port: number;
}

export type Decision =
  | { readonly ok: true; readonly permissions: Permissions; readonly report: LoginReport }
  | { readonly ok: false; readonly reason: string };

const PLAIN_KEY_PERMISSIONS: Permissions = { pty: true, portForwarding: true, forceCommand: undefined };

function refused(reason: string): Decision {
  return { ok: false, reason };
}

/** Whether a `source-address` value (a comma list of CIDR or plain addresses, never negated) covers the address. */
function coversAddress(list: string, text: string): boolean {
  const address = parseAddress(text.replace(/^::ffff:/, ''));
  if (address === undefined) return false;
  return list.split(',').some((entry) => {
    const [network = '', bits] = entry.trim().split('/');
    const parsed = parseAddress(network);
    if (parsed === undefined) return false;
    const prefix = bits === undefined ? parsed.bits : Number(bits);
    return (
      Number.isInteger(prefix) && prefix >= 0 && prefix <= parsed.bits && contains(parsed, prefix, address)
    );
  });
}

/** Undefined when the certificate lets `user` in at `nowMs` from `peer`; else why not, in sshd's words where it has some. */
export function certificateFault(
  certificate: Certificate,
  user: string,
  rules: LoginRules,
  peer: Peer,
  nowMs: number,
): string | undefined {
  if (!rules.trustedCas.includes(fingerprint(certificate.signatureKey))) return 'CA not trusted';
  if (!verifyCertificate(certificate)) return 'bad CA signature';
  if (certificate.certType !== 'user') return 'Certificate invalid: not a user certificate';
  const now = BigInt(Math.floor(nowMs / 1000));
  if (now < certificate.validAfter) return 'Certificate invalid: not yet valid';
  if (now >= certificate.validBefore) return 'Certificate invalid: expired';
  if (certificate.principals.length === 0) return 'Certificate lacks principal list';
  const accepted = rules.principals?.[user] ?? [user];
  if (!certificate.principals.some((name) => accepted.includes(name))) {
    return 'Certificate invalid: name is not a listed principal';
  }
  for (const [name, value] of certificate.criticalOptions) {
    if (name === 'force-command') continue;
    if (name !== 'source-address') return `Certificate critical option "${name}" is not supported`;
    if (!coversAddress(value, peer.address)) return 'Address not permitted to use this certificate for login';
  }
  return undefined;
}

function certificateDecision(
  context: PublicKeyAuthContext,
  rules: LoginRules,
  peer: Peer,
  nowMs: number,
): Decision {
  const certificate = parseCertificate(context.key.data);
  const fault = certificateFault(certificate, context.username, rules, peer, nowMs);
  if (fault !== undefined) return refused(fault);
  if (context.signature !== undefined) {
    // For certificates ssh2 leaves the signature blob as it came.
    const data = context.blob ?? Buffer.alloc(0);
    if (!verifySignature(parsePublicKey(certificate.publicKey), data, context.signature))
      return refused('bad signature');
  }
  return {
    ok: true,
    permissions: {
      pty: certificate.extensions.has('permit-pty'),
      portForwarding: certificate.extensions.has('permit-port-forwarding'),
      forceCommand: certificate.criticalOptions.get('force-command'),
    },
    report: {
      user: context.username,
      fingerprint: fingerprint(certificate.publicKey),
      certificate,
      remote: `${peer.address}:${peer.port}`,
    },
  };
}

function plainKeyDecision(context: PublicKeyAuthContext, rules: LoginRules, peer: Peer): Decision {
  const base64 = context.key.data.toString('base64');
  if (!rules.authorizedKeys().some((line) => line.split(/\s+/)[1] === base64))
    return refused('key not authorized');
  if (context.signature !== undefined) {
    const key = ssh2.utils.parseKey(`${context.key.algo} ${base64}`);
    if (key instanceof Error) return refused('unreadable key');
    // ssh2 has unwrapped a plain key's signature into the form that its own verify() takes.
    const data = context.blob ?? Buffer.alloc(0);
    if (key.verify(data, context.signature, context.hashAlgo) !== true) return refused('bad signature');
  }
  return {
    ok: true,
    permissions: PLAIN_KEY_PERMISSIONS,
    report: {
      user: context.username,
      fingerprint: fingerprint(context.key.data),
      certificate: undefined,
      remote: `${peer.address}:${peer.port}`,
    },
  };
}

/** The decision about one publickey request; without a signature it is only whether the key would do. Never throws. */
export function decideLogin(
  context: PublicKeyAuthContext,
  rules: LoginRules,
  peer: Peer,
  nowMs: number,
): Decision {
  if (!rules.logins.includes(context.username)) return refused('unknown login');
  try {
    return isCertificateType(context.key.algo.replace(/^rsa-sha2-(256|512)-cert/, 'ssh-rsa-cert'))
      ? certificateDecision(context, rules, peer, nowMs)
      : plainKeyDecision(context, rules, peer);
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}
