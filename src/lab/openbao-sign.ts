/**
 * What `POST <mount>/sign/<role>` decides (builtin/logical/ssh/path_issue_sign.go, path_sign.go): whether a role allows what is asked
 * for, and the fields of the certificate. Refuses what the real one refuses, in the same order and words as 2.7.2.
 * Left out: host certificates, identity templates.
 */
import { createHash, randomBytes } from 'node:crypto';
import { WardenError } from '../errors.ts';
import { type PublicKey, parsePublicKey } from '../ssh/public-key.ts';
import { Reader } from '../ssh/wire.ts';
import type { CertificateFields } from './certificate-writer.ts';
import { BaoFailure, commaList, durationField, type Fields, mapField, textField } from './openbao-fields.ts';
import type { Role } from './openbao-role.ts';

/** Default and maximum lease of a server that sets neither: 32 days. */
const SYSTEM_TTL_SECONDS = 768 * 3600;
const KNOWN_FIELDS = [
  'public_key',
  'valid_principals',
  'ttl',
  'cert_type',
  'key_id',
  'critical_options',
  'extensions',
];

function refuse(message: string): BaoFailure {
  return new BaoFailure(400, message);
}

/** Where Go's base64 decoder stops, or undefined for good base64. */
function base64Fault(text: string): number | undefined {
  const bad = text.search(/[^A-Za-z0-9+/=]/);
  if (bad !== -1) return bad;
  return text.length % 4 === 0 ? undefined : text.length - (text.length % 4);
}

function publicKeyOf(text: string): PublicKey {
  if (text === '') throw refuse('missing public_key');
  // As OpenBao does: the second word where there is one; the type in front of it is not looked at.
  const encoded = (text.split(' ')[1] ?? text).replace(/[\r\n]/g, '');
  const fault = base64Fault(encoded);
  const failed = 'failed to parse public_key as SSH key:';
  if (fault !== undefined) throw refuse(`${failed} illegal base64 data at input byte ${fault}`);
  const blob = Buffer.from(encoded, 'base64');
  try {
    return parsePublicKey(blob);
  } catch (error) {
    const type = readType(blob);
    if (type !== undefined && !/^(ssh|ecdsa|sk)-/.test(type))
      throw refuse(`${failed} ssh: unknown key algorithm: ${type}`);
    if (error instanceof WardenError) throw refuse(`${failed} ssh: short read`);
    throw error;
  }
}

function readType(blob: Buffer): string | undefined {
  try {
    return new Reader(blob).text(64);
  } catch {
    return undefined;
  }
}

function checkKey(key: PublicKey, role: Role): void {
  if (Object.keys(role.allowedUserKeyLengths).length === 0) return;
  const family = key.type.startsWith('ecdsa') ? 'ecdsa' : key.type.replace(/^ssh-/, '');
  const names = family === 'ecdsa' ? [family, 'ec', key.type] : [family, key.type];
  const listed = names.flatMap((name) => {
    const lengths = role.allowedUserKeyLengths[name];
    return lengths === undefined ? [] : [lengths];
  });
  const failed = 'public_key failed to meet the key requirements:';
  if (listed.length === 0) throw refuse(`${failed} key of type ${family} is not allowed`);
  const fits = (length: number) =>
    family === 'ed25519' || length === key.bits || (family === 'ecdsa' && length === 0);
  if (!listed.flat().some(fits)) throw refuse(`${failed} key is of an invalid size: ${key.bits}`);
}

function keyIdOf(fields: Fields, role: Role, roleName: string, displayName: string, key: PublicKey): string {
  const asked = textField(fields, 'key_id') ?? '';
  if (asked !== '') {
    if (!role.allowUserKeyIds) throw refuse('setting key_id is not allowed by role');
    return asked;
  }
  const hash = createHash('sha256').update(key.blob).digest('hex');
  const format =
    role.keyIdFormat === '' ? 'vault-{{token_display_name}}-{{public_key_hash}}' : role.keyIdFormat;
  return format
    .replaceAll('{{token_display_name}}', displayName)
    .replaceAll('{{role_name}}', roleName)
    .replaceAll('{{public_key_hash}}', hash);
}

function checkCertType(fields: Fields): void {
  const type = textField(fields, 'cert_type') ?? 'user';
  if (type !== 'user' && type !== 'host') throw refuse("cert_type must be either 'user' or 'host'");
  if (type === 'host') throw refuse("cert_type 'host' is not allowed by role");
}

function principalsOf(fields: Fields, role: Role): string[] {
  const asked = textField(fields, 'valid_principals') ?? role.defaultUser;
  const principals = [...new Set(commaList(asked))].sort();
  if (principals.length === 0) {
    if (role.allowEmptyPrincipals) return [];
    throw refuse(
      'refusing to issue unsafe, globally-valid certificate with no principals specified; set valid_principals or default_user',
    );
  }
  const allowed = commaList(role.allowedUsers);
  if (allowed.length === 0) throw refuse('role is not configured to allow any principals');
  const stranger = principals.find((principal) => !allowed.includes('*') && !allowed.includes(principal));
  if (stranger !== undefined) throw refuse(`${stranger} is not a valid value for valid_principals`);
  return principals;
}

function ttlOf(fields: Fields, role: Role): number {
  const asked = durationField(fields, 'ttl');
  const ttl = (asked ?? role.ttl) || SYSTEM_TTL_SECONDS;
  const most = role.maxTtl === 0 ? SYSTEM_TTL_SECONDS : role.maxTtl;
  if (ttl <= most) return ttl;
  if (asked !== undefined) throw refuse(`ttl is larger than maximum allowed ${most}`);
  return most;
}

function criticalOptionsOf(fields: Fields, role: Role): Readonly<Record<string, string>> {
  const asked = mapField(fields, 'critical_options') ?? {};
  const names = Object.keys(asked);
  if (names.length === 0) return role.defaultCriticalOptions;
  // An empty list means that any may be asked for.
  const allowed = commaList(role.allowedCriticalOptions);
  const strangers = allowed.length === 0 ? [] : names.filter((name) => !allowed.includes(name));
  if (strangers.length > 0) throw refuse(`critical options not on allowed list: [${strangers.join(' ')}]`);
  return asked;
}

function extensionsOf(fields: Fields, role: Role): Readonly<Record<string, string>> {
  const asked = mapField(fields, 'extensions') ?? {};
  const names = Object.keys(asked);
  if (names.length === 0) return role.defaultExtensions;
  // An empty list means that none may be asked for.
  const allowed = commaList(role.allowedExtensions);
  const strangers = allowed.includes('*') ? [] : names.filter((name) => !allowed.includes(name));
  if (strangers.length > 0) throw refuse(`extensions [${strangers.join(' ')}] are not on allowed list`);
  return asked;
}

/** The fields of the request that nobody knows: OpenBao answers with a warning. */
export function unknownFields(fields: Fields): string[] {
  return [...fields.keys()].filter((name) => !KNOWN_FIELDS.includes(name)).sort();
}

/** The certificate that the role grants. `nowMs` is milliseconds since the epoch. Throws BaoFailure 400. */
export function certificateFor(
  fields: Fields,
  role: Role,
  roleName: string,
  displayName: string,
  nowMs: number,
): CertificateFields {
  const key = publicKeyOf(textField(fields, 'public_key') ?? '');
  checkKey(key, role);
  const keyId = keyIdOf(fields, role, roleName, displayName, key);
  checkCertType(fields);
  const principals = principalsOf(fields, role);
  const ttl = ttlOf(fields, role);
  const criticalOptions = criticalOptionsOf(fields, role);
  const extensions = extensionsOf(fields, role);
  const now = Math.floor(nowMs / 1000);
  return {
    publicKey: key.blob,
    serial: randomBytes(8).readBigUInt64BE(),
    certType: 'user',
    keyId,
    principals,
    validAfter: BigInt(now - role.notBeforeDuration),
    validBefore: BigInt(now + ttl),
    criticalOptions,
    extensions,
  };
}
