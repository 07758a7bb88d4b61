/**
 * Roles of the SSH engine (OpenBao's API documentation, "SSH secrets engine: Create role"; builtin/logical/ssh/path_roles.go):
 * reading a request, the checks that a write makes, and the JSON that a read answers. A write replaces the whole role.
 * Left out, and refused with a message of the lab's own: host certificates, templates, OTP roles.
 */
import { BaoFailure, durationField, type Fields, flagField, mapField, textField } from './openbao-fields.ts';

export interface Role {
  readonly allowedUsers: string;
  readonly defaultUser: string;
  /** Seconds; 0 is the system's default. */
  readonly ttl: number;
  readonly maxTtl: number;
  readonly notBeforeDuration: number;
  readonly defaultExtensions: Readonly<Record<string, string>>;
  readonly allowedExtensions: string;
  readonly defaultCriticalOptions: Readonly<Record<string, string>>;
  readonly allowedCriticalOptions: string;
  readonly allowUserKeyIds: boolean;
  readonly keyIdFormat: string;
  readonly allowEmptyPrincipals: boolean;
  /** Key type to allowed lengths; empty: any key. */
  readonly allowedUserKeyLengths: Readonly<Record<string, readonly number[]>>;
}

const NOT_IN_THE_LAB = [
  'allow_host_certificates',
  'allowed_users_template',
  'default_user_template',
  'default_extensions_template',
  'allowed_domains_template',
] as const;

function keyLengths(fields: Fields): Record<string, number[]> {
  const value = fields.get('allowed_user_key_lengths');
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new BaoFailure(400, 'warden lab: allowed_user_key_lengths must be an object');
  }
  return Object.fromEntries(
    Object.entries(value).map(([type, lengths]) => [
      type,
      (Array.isArray(lengths) ? lengths : [lengths]).map(Number).filter(Number.isInteger),
    ]),
  );
}

/** The role that a `POST <mount>/roles/<name>` describes. Throws BaoFailure 400. */
export function roleFromRequest(fields: Fields): Role {
  const keyType = textField(fields, 'key_type') ?? '';
  if (keyType === '') throw new BaoFailure(400, 'missing key type');
  if (keyType !== 'ca') throw new BaoFailure(400, 'warden lab: only roles with key_type=ca');
  for (const name of NOT_IN_THE_LAB) {
    if (flagField(fields, name) === true) throw new BaoFailure(400, `warden lab: ${name} is not supported`);
  }
  if (flagField(fields, 'allow_user_certificates') !== true) {
    throw new BaoFailure(
      400,
      "Either 'allow_user_certificates' or 'allow_host_certificates' must be set to 'true'",
    );
  }
  const ttl = durationField(fields, 'ttl') ?? 0;
  const maxTtl = durationField(fields, 'max_ttl') ?? 0;
  if (ttl !== 0 && maxTtl !== 0 && ttl > maxTtl) {
    throw new BaoFailure(400, '"ttl" value must be less than "max_ttl" when both are specified');
  }
  return {
    allowedUsers: textField(fields, 'allowed_users') ?? '',
    defaultUser: textField(fields, 'default_user') ?? '',
    ttl,
    maxTtl,
    notBeforeDuration: durationField(fields, 'not_before_duration') ?? 30,
    defaultExtensions: mapField(fields, 'default_extensions') ?? {},
    allowedExtensions: textField(fields, 'allowed_extensions') ?? '',
    defaultCriticalOptions: mapField(fields, 'default_critical_options') ?? {},
    allowedCriticalOptions: textField(fields, 'allowed_critical_options') ?? '',
    allowUserKeyIds: flagField(fields, 'allow_user_key_ids') ?? false,
    keyIdFormat: textField(fields, 'key_id_format') ?? '',
    allowEmptyPrincipals: flagField(fields, 'allow_empty_principals') ?? false,
    allowedUserKeyLengths: keyLengths(fields),
  };
}

/** `data` of a `GET <mount>/roles/<name>`. */
export function roleData(role: Role): Record<string, unknown> {
  return {
    algorithm_signer: 'default',
    allow_bare_domains: false,
    allow_commas_in_identity_templates: false,
    allow_empty_principals: role.allowEmptyPrincipals,
    allow_host_certificates: false,
    allow_subdomains: false,
    allow_user_certificates: true,
    allow_user_key_ids: role.allowUserKeyIds,
    allow_wildcards_in_identity_templates: false,
    allowed_critical_options: role.allowedCriticalOptions,
    allowed_domains: '',
    allowed_domains_template: false,
    allowed_extensions: role.allowedExtensions,
    allowed_user_key_lengths: role.allowedUserKeyLengths,
    allowed_users: role.allowedUsers,
    allowed_users_template: false,
    default_critical_options: role.defaultCriticalOptions,
    default_extensions: role.defaultExtensions,
    default_extensions_template: false,
    default_user: role.defaultUser,
    default_user_template: false,
    issuer_ref: 'default',
    key_id_format: role.keyIdFormat,
    key_type: 'ca',
    max_ttl: role.maxTtl,
    not_before_duration: role.notBeforeDuration,
    ttl: role.ttl,
  };
}
