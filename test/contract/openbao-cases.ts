/**
 * What warden relies on in OpenBao's answers, measured on 2.7.2: one list of requests with the status and the errors that they get.
 * Both the lab and the real server are held to it, so that a test on the lab says something about the real one.
 */
import { generateKeyPairSync } from 'node:crypto';
import { keyLine } from '../../src/lab/certificate-writer.ts';
import { ed25519PublicBlob } from '../../src/ssh/public-key.ts';
import { keygenPublic } from './keys.ts';

export const ED25519 = keyLine(ed25519PublicBlob(generateKeyPairSync('ed25519').publicKey));
export const RSA = keygenPublic('rsa', '2048');
export const ECDSA = keygenPublic('ecdsa', '256');

/** Roles that the cases use beside `warden-jit`. */
export const ROLES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  nobody: { key_type: 'ca', allow_user_certificates: true },
  anyone: { key_type: 'ca', allow_user_certificates: true, allowed_users: '*' },
  lengths: {
    key_type: 'ca',
    allow_user_certificates: true,
    allowed_users: '*',
    allowed_user_key_lengths: { rsa: 3072, ec: [256, 384] },
  },
  options: {
    key_type: 'ca',
    allow_user_certificates: true,
    allowed_users: 'ops',
    default_user: 'ops',
    allow_user_key_ids: true,
    allowed_extensions: '*',
    default_extensions: { 'permit-pty': '', 'permit-user-rc': '' },
    allowed_critical_options: 'source-address',
    default_critical_options: { 'force-command': 'id' },
    not_before_duration: '60s',
    ttl: '10m',
    max_ttl: '1h',
    key_id_format: '{{role_name}}:{{public_key_hash}}',
  },
  outside: { key_type: 'ca', allow_user_certificates: true, allowed_users: 'ops', default_user: 'deploy' },
};

export interface Case {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** An object is sent as JSON, a text as it stands; `ROLE-ID`, `SECRET-ID` and `WRAPPED` in it are the target's. */
  readonly body?: unknown;
  readonly token?: 'root' | 'jit' | 'none' | 'bad' | 'approle' | 'wrapped';
  readonly status: number;
  /** Each error exactly, or a pattern for the only one; undefined: the body is compared, not the errors. */
  readonly errors?: readonly string[] | RegExp;
}

/** A sign request that would succeed, but for `fields`. */
function sign(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  error: string | RegExp,
  role = 'warden-jit',
): Case {
  const body = { public_key: ED25519, valid_principals: 'ops', cert_type: 'user', ...fields };
  return {
    name,
    method: 'POST',
    path: `ssh/sign/${role}`,
    body,
    status: 400,
    errors: typeof error === 'string' ? [error] : error,
  };
}

const key = 'public_key failed to meet the key requirements:';
const parse = 'failed to parse public_key as SSH key:';
const field = 'Field validation failed: error converting input for field';
const nobody =
  'refusing to issue unsafe, globally-valid certificate with no principals specified; set valid_principals or default_user';

export const SIGN_ERRORS: readonly Case[] = [
  sign('unknown role', {}, 'Unknown role: nope', 'nope'),
  // warden doctor asks so, to be told of the role and get no certificate.
  sign(
    'unknown role before a key that is none',
    { public_key: 'ssh-ed25519 AAAA' },
    'Unknown role: nope',
    'nope',
  ),
  sign(
    'principal that is not allowed',
    { valid_principals: 'evil' },
    'evil is not a valid value for valid_principals',
  ),
  sign(
    'one of two principals',
    { valid_principals: 'ops,evil' },
    'evil is not a valid value for valid_principals',
  ),
  sign('no principals, sent empty', { valid_principals: '' }, nobody),
  sign('no principals, left out', { valid_principals: undefined }, nobody),
  sign('empty principals against a default user', { valid_principals: '' }, nobody, 'options'),
  sign(
    'a default user who is not allowed',
    { valid_principals: undefined },
    'deploy is not a valid value for valid_principals',
    'outside',
  ),
  sign('a role without principals', {}, 'role is not configured to allow any principals', 'nobody'),
  sign('ttl above the role', { ttl: '10m' }, 'ttl is larger than maximum allowed 300'),
  sign('ttl one second above', { ttl: '5m1s' }, 'ttl is larger than maximum allowed 300'),
  sign('ttl 0', { ttl: 0 }, 'ttl is larger than maximum allowed 300'),
  sign('ttl empty, which is 0', { ttl: '' }, 'ttl is larger than maximum allowed 300'),
  sign('ttl above the system', { ttl: '900h' }, 'ttl is larger than maximum allowed 2764800', 'anyone'),
  sign('ttl that is no duration', { ttl: 'banana' }, `${field} "ttl": time: invalid duration "banana"`),
  sign('ttl without a unit', { ttl: 5.5 }, `${field} "ttl": time: missing unit in duration "5.5"`),
  sign('ttl below 0', { ttl: -5 }, `${field} "ttl": cannot provide negative value '-5'`),
  sign('ttl below 0, as a duration', { ttl: '-1m' }, `${field} "ttl": cannot provide negative value '-60'`),
  sign('RSA key', { public_key: RSA }, `${key} key of type rsa is not allowed`),
  sign('ECDSA key', { public_key: ECDSA }, `${key} key of type ecdsa is not allowed`),
  sign('ed25519 key where others are listed', {}, `${key} key of type ed25519 is not allowed`, 'lengths'),
  sign('RSA key of a wrong size', { public_key: RSA }, `${key} key is of an invalid size: 2048`, 'lengths'),
  sign('no public key', { public_key: undefined }, 'missing public_key'),
  sign('empty public key', { public_key: '' }, 'missing public_key'),
  sign('public key that is a number', { public_key: 5 }, `${parse} illegal base64 data at input byte 0`),
  sign(
    'public key without base64',
    { public_key: 'garbage' },
    `${parse} illegal base64 data at input byte 4`,
  ),
  sign('public key cut short', { public_key: 'ssh-ed25519 AAAA' }, `${parse} ssh: short read`),
  sign('key id', { key_id: 'me' }, 'setting key_id is not allowed by role'),
  sign(
    'extension that is not allowed',
    { extensions: { 'permit-X11-forwarding': '' } },
    'extensions [permit-X11-forwarding] are not on allowed list',
  ),
  sign(
    'extension where none is allowed',
    { extensions: { 'permit-pty': '' } },
    'extensions [permit-pty] are not on allowed list',
    'anyone',
  ),
  sign(
    'critical option that is not allowed',
    { critical_options: { 'force-command': 'x' } },
    'critical options not on allowed list: [force-command]',
    'options',
  ),
  sign('host certificate', { cert_type: 'host' }, "cert_type 'host' is not allowed by role"),
  sign('unknown certificate type', { cert_type: 'x' }, "cert_type must be either 'user' or 'host'"),
  sign(
    'principals as a list',
    { valid_principals: ['ops'] },
    `${field} "valid_principals": '' expected type 'string', got unconvertible type '[]interface {}'`,
  ),
  sign(
    'extensions as a text',
    { extensions: 'x' },
    `${field} "extensions": '' expected type 'map[string]interface {}', got unconvertible type 'string'`,
  ),
  sign(
    'extensions as a list',
    { extensions: ['x'] },
    `${field} "extensions": '[0]' expected type 'map[string]interface {}', got unconvertible type 'string'`,
  ),
  sign(
    'key id before principal',
    { key_id: 'me', valid_principals: 'evil' },
    'setting key_id is not allowed by role',
  ),
  sign('key before key id', { public_key: RSA, key_id: 'me' }, `${key} key of type rsa is not allowed`),
  sign(
    'principal before ttl',
    { valid_principals: 'evil', ttl: '1h' },
    'evil is not a valid value for valid_principals',
  ),
  sign(
    'ttl before extension',
    { ttl: '1h', extensions: { x: '' } },
    'ttl is larger than maximum allowed 300',
  ),
  sign('critical option before extension', { critical_options: { x: '' }, ttl: '1h' }, /^ttl is larger/),
];

const path = 'ssh/sign/warden-jit';
const body = { public_key: ED25519, valid_principals: 'ops' };
const denied = ['1 error occurred:\n\t* permission denied\n\n'];
const unsupported = (what: string) => [`1 error occurred:\n\t* unsupported ${what}\n\n`];

export const OTHER_CASES: readonly Case[] = [
  {
    name: 'garbage JSON',
    method: 'POST',
    path,
    body: '{garbage',
    status: 400,
    errors: /^failed to decode JSON input: /,
  },
  {
    name: 'JSON with a tail',
    method: 'POST',
    path,
    body: '{} trailing',
    status: 400,
    errors: /^failed to decode JSON input: /,
  },
  {
    name: 'JSON list',
    method: 'POST',
    path,
    body: '[]',
    status: 400,
    errors: [
      'failed to decode JSON input: json: cannot unmarshal array into Go value of type map[string]interface {}',
    ],
  },
  { name: 'JSON null', method: 'POST', path, body: 'null', status: 400, errors: ['missing public_key'] },
  { name: 'empty body', method: 'POST', path, body: '', status: 400, errors: ['missing public_key'] },
  { name: 'no token', method: 'POST', path, body, token: 'none', status: 403, errors: ['permission denied'] },
  { name: 'bad token', method: 'POST', path, body, token: 'bad', status: 403, errors: ['permission denied'] },
  {
    name: 'role that the token may not use',
    method: 'POST',
    path: 'ssh/sign/anyone',
    body,
    token: 'jit',
    status: 403,
    errors: denied,
  },
  { name: 'role of the token, read', method: 'GET', path: 'ssh/roles/warden-jit', token: 'jit', status: 200 },
  {
    name: 'another role, read',
    method: 'GET',
    path: 'ssh/roles/anyone',
    token: 'jit',
    status: 403,
    errors: denied,
  },
  {
    name: 'roles, listed without the right',
    method: 'GET',
    path: 'ssh/roles?list=true',
    token: 'jit',
    status: 403,
    errors: denied,
  },
  {
    name: 'roles, listed without a token',
    method: 'GET',
    path: 'ssh/roles?list=true',
    token: 'none',
    status: 403,
    errors: ['permission denied'],
  },
  {
    name: 'role, written without the right',
    method: 'POST',
    path: 'ssh/roles/warden-jit',
    body: {},
    token: 'jit',
    status: 403,
    errors: denied,
  },
  {
    name: 'role, deleted without the right',
    method: 'DELETE',
    path: 'ssh/roles/warden-jit',
    token: 'jit',
    status: 403,
    errors: denied,
  },
  { name: 'GET on sign', method: 'GET', path, status: 405, errors: unsupported('operation') },
  {
    name: 'GET on sign with the least right',
    method: 'GET',
    path,
    token: 'jit',
    status: 403,
    errors: denied,
  },
  { name: 'DELETE on sign', method: 'DELETE', path, status: 405, errors: unsupported('operation') },
  {
    name: 'sign without a role',
    method: 'POST',
    path: 'ssh/sign',
    body: {},
    status: 404,
    errors: unsupported('path'),
  },
  {
    name: 'unknown path of the mount',
    method: 'GET',
    path: 'ssh/banana',
    status: 404,
    errors: unsupported('path'),
  },
  {
    name: 'unknown mount',
    method: 'GET',
    path: 'nomount/x',
    status: 404,
    errors: ['no handler for route "nomount/x". route entry not found.'],
  },
  {
    name: 'unknown mount without the right',
    method: 'GET',
    path: 'nomount/x',
    token: 'jit',
    status: 403,
    errors: denied,
  },
  {
    name: 'POST on public_key',
    method: 'POST',
    path: 'ssh/public_key',
    body: {},
    token: 'none',
    status: 405,
    errors: ['unsupported operation'],
  },
  {
    name: 'unknown issuer',
    method: 'GET',
    path: 'ssh/issuer/nope/public_key',
    token: 'none',
    status: 400,
    errors: ['unable to find issuer for reference: nope'],
  },
  { name: 'health', method: 'GET', path: 'sys/health', token: 'none', status: 200 },
  {
    name: 'POST on health',
    method: 'POST',
    path: 'sys/health',
    body: {},
    token: 'none',
    status: 405,
    errors: [],
  },
  { name: 'roles, listed', method: 'GET', path: 'ssh/roles?list=true', status: 200 },
  { name: 'roles, neither', method: 'GET', path: 'ssh/roles', status: 405, errors: unsupported('operation') },
  ...Object.keys(ROLES).map((name) => ({
    name: `role ${name}, read`,
    method: 'GET',
    path: `ssh/roles/${name}`,
    status: 200,
  })),
  { name: 'no such role, read', method: 'GET', path: 'ssh/roles/nope', status: 404, errors: [] },
  { name: 'no such role, deleted', method: 'DELETE', path: 'ssh/roles/nope', status: 204 },
  {
    name: 'role without a key type',
    method: 'POST',
    path: 'ssh/roles/x',
    body: {},
    status: 400,
    errors: ['missing key type'],
  },
  {
    name: 'role for no certificates',
    method: 'POST',
    path: 'ssh/roles/x',
    body: { key_type: 'ca' },
    status: 400,
    errors: ["Either 'allow_user_certificates' or 'allow_host_certificates' must be set to 'true'"],
  },
  {
    name: 'role with ttl above max_ttl',
    method: 'POST',
    path: 'ssh/roles/x',
    body: { key_type: 'ca', allow_user_certificates: true, ttl: '10m', max_ttl: '5m' },
    status: 400,
    errors: ['"ttl" value must be less than "max_ttl" when both are specified'],
  },
  { name: 'lookup-self', method: 'GET', path: 'auth/token/lookup-self', token: 'jit', status: 200 },
  {
    name: 'capabilities-self',
    method: 'POST',
    path: 'sys/capabilities-self',
    body: { paths: ['ssh/sign/warden-jit'] },
    token: 'jit',
    status: 200,
  },
  {
    name: 'capabilities-self, bad token',
    method: 'POST',
    path: 'sys/capabilities-self',
    body: { paths: ['ssh/sign/warden-jit'] },
    token: 'bad',
    status: 403,
    errors: ['permission denied'],
  },
  { name: 'lookup-self of root', method: 'GET', path: 'auth/token/lookup-self', status: 200 },
  {
    name: 'lookup-self, bad token',
    method: 'GET',
    path: 'auth/token/lookup-self',
    token: 'bad',
    status: 403,
    errors: ['permission denied'],
  },
  {
    name: 'renew-self',
    method: 'POST',
    path: 'auth/token/renew-self',
    body: { increment: '30m' },
    token: 'jit',
    status: 200,
  },
  {
    name: 'renew-self without a body',
    method: 'PUT',
    path: 'auth/token/renew-self',
    token: 'jit',
    status: 200,
  },
  {
    name: 'renew-self of root',
    method: 'POST',
    path: 'auth/token/renew-self',
    status: 400,
    errors: ['lease is not renewable'],
  },
];

/** `auth/approle/login` without a token, but for `fields`. */
function login(
  name: string,
  fields: Readonly<Record<string, unknown>>,
  refused?: readonly [status: number, error: string],
): Case {
  const [status = 200, error] = refused ?? [];
  const body = { role_id: 'ROLE-ID', secret_id: 'SECRET-ID', ...fields };
  const request = { name, method: 'POST', path: 'auth/approle/login', body, status, token: 'none' } as const;
  return error === undefined ? request : { ...request, errors: [error] };
}

function wrapping(
  name: string,
  call: 'lookup' | 'unwrap',
  more: Pick<Case, 'token' | 'body'>,
  refused?: readonly [status: number, error: string],
): Case {
  const [status = 200, error] = refused ?? [];
  const request = {
    name,
    method: 'POST',
    path: `sys/wrapping/${call}`,
    token: 'none',
    ...more,
    status,
  } as const;
  return error === undefined ? request : { ...request, errors: [error] };
}

const wrong = [400, 'invalid role or secret ID'] as const;
const gone = [400, 'wrapping token is not valid or does not exist'] as const;
const empty = [403, 'error validating wrapping token: token is empty'] as const;

/** Logging in by AppRole; the order counts, for a wrapping token is good once. */
export const APPROLE_CASES: readonly Case[] = [
  login('a login', {}),
  { ...login('with PUT', {}), method: 'PUT' },
  { ...login('with a token that is none', {}), token: 'bad' },
  login('a secret id that is wrong', { secret_id: 'nope' }, wrong),
  login('a role id that is wrong', { role_id: 'nope' }, wrong),
  login('no secret id', { secret_id: undefined }, [400, 'missing secret_id']),
  login('an empty secret id', { secret_id: '' }, [400, 'missing secret_id']),
  login('no role id', { role_id: undefined }, [500, 'missing role_id']),
  login('nothing', { role_id: undefined, secret_id: undefined }, [500, 'missing role_id']),
  login('a secret id that is a list', { secret_id: [1] }, [
    500,
    `${field} "secret_id": '' expected type 'string', got unconvertible type '[]interface {}'`,
  ]),
  { ...login('GET', {}, [500, 'missing role_id']), method: 'GET', body: undefined },
  { ...login('a mount that is none', {}, [403, 'permission denied']), path: 'auth/elsewhere/login' },
  { name: 'its token', method: 'GET', path: 'auth/token/lookup-self', token: 'approle', status: 200 },
  {
    name: 'its token, renewed',
    method: 'POST',
    path: 'auth/token/renew-self',
    body: {},
    token: 'approle',
    status: 200,
  },
  {
    name: 'what its token may',
    method: 'POST',
    path: 'sys/capabilities-self',
    body: { paths: [path] },
    token: 'approle',
    status: 200,
  },
  {
    name: 'a role that its token may not use',
    method: 'POST',
    path: 'ssh/sign/anyone',
    body,
    token: 'approle',
    status: 403,
    errors: denied,
  },
  wrapping('a wrapping token, looked up', 'lookup', { body: { token: 'WRAPPED' } }),
  wrapping('one that is none', 'lookup', { body: { token: 'nope' } }, gone),
  wrapping('none', 'lookup', { body: {} }, empty),
  wrapping('unwrapped', 'unwrap', { token: 'wrapped', body: {} }),
  wrapping('unwrapped again', 'unwrap', { token: 'wrapped', body: {} }, gone),
  wrapping('looked up when it is used', 'lookup', { body: { token: 'WRAPPED' } }, gone),
  wrapping('unwrapped with another token', 'unwrap', { token: 'bad', body: {} }, gone),
  wrapping('unwrapped without', 'unwrap', { body: {} }, empty),
];

/** Answered while sealed. */
export const SEALED_CASES: readonly Case[] = [
  { name: 'health', method: 'GET', path: 'sys/health', token: 'none', status: 503 },
  { name: 'sign', method: 'POST', path, body, status: 503, errors: ['Vault is sealed'] },
  {
    name: 'sign, no token',
    method: 'POST',
    path,
    body,
    token: 'none',
    status: 503,
    errors: ['Vault is sealed'],
  },
  {
    name: 'public key',
    method: 'GET',
    path: 'ssh/public_key',
    token: 'none',
    status: 503,
    errors: ['Vault is sealed'],
  },
  {
    name: 'lookup-self',
    method: 'GET',
    path: 'auth/token/lookup-self',
    status: 503,
    errors: ['Vault is sealed'],
  },
];
