/**
 * What the lab's OpenBao answers on each path: sealed, token, policy and route are looked at in the real server's order, and refused in
 * its words (OpenBao 2.7.2, measured). Left out: every path that warden does not use, and the
 * verb LIST, which Node's HTTP parser refuses: `GET …?list=true` means the same.
 */
import { type KeyObject, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../system/clock.ts';
import { type CertificateFields, keyLine, writeCertificate } from './certificate-writer.ts';
import type { AppRoles } from './openbao-approle.ts';
import { BaoFailure, type Fields, textField, textsField } from './openbao-fields.ts';
import { type Role, roleData, roleFromRequest } from './openbao-role.ts';
import { certificateFor, unknownFields } from './openbao-sign.ts';
import {
  authData,
  type Capability,
  capabilitiesData,
  lookupData,
  renew,
  type TokenStore,
} from './openbao-tokens.ts';

const VERSION = '2.7.2';

export interface LabRequest {
  readonly method: string;
  /** What stands after `/v1/`, without a query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface State {
  readonly mount: string;
  readonly clock: Clock;
  readonly ca: KeyObject;
  readonly caPublicKey: string;
  readonly issuerId: string;
  readonly tokens: TokenStore;
  readonly appRoles: AppRoles;
  readonly roles: Map<string, Role>;
  readonly sign: (fields: CertificateFields) => CertificateFields;
  sealed: boolean;
}

export interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** As OpenBao's router wraps what a mount answers (go-multierror). */
function wrapped(status: number, message: string): BaoFailure {
  return new BaoFailure(status, `1 error occurred:\n\t* ${message}\n\n`);
}

function success(parts: { data?: unknown; auth?: unknown; warnings?: readonly string[] | null }): Answer {
  return {
    status: 200,
    json: {
      request_id: randomUUID(),
      lease_id: '',
      renewable: false,
      lease_duration: 0,
      data: parts.data ?? null,
      wrap_info: null,
      warnings: parts.warnings ?? null,
      auth: parts.auth ?? null,
    },
  };
}

function health(state: State): Answer {
  return {
    status: state.sealed ? 503 : 200,
    json: {
      initialized: true,
      sealed: state.sealed,
      standby: state.sealed,
      replication_performance_mode: state.sealed ? 'unknown' : 'disabled',
      replication_dr_mode: state.sealed ? 'unknown' : 'disabled',
      server_time_utc: Math.floor(state.clock.now() / 1000),
      version: VERSION,
      ...(state.sealed ? {} : { cluster_name: 'warden-lab', cluster_id: state.issuerId }),
    },
  };
}

function fieldsOf(body: string): Fields {
  if (body.trim() === '') return new Map();
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new BaoFailure(400, 'failed to decode JSON input: invalid character');
  }
  if (Array.isArray(json)) {
    throw new BaoFailure(
      400,
      'failed to decode JSON input: json: cannot unmarshal array into Go value of type map[string]interface {}',
    );
  }
  return new Map(typeof json === 'object' && json !== null ? Object.entries(json) : []);
}

function capabilityOf(method: string, list: boolean): Capability {
  if (method === 'GET' && list) return 'list';
  if (method === 'GET' || method === 'HEAD') return 'read';
  if (method === 'POST' || method === 'PUT') return 'update';
  if (method === 'DELETE') return 'delete';
  throw new BaoFailure(405, '');
}

/** Paths that need no token. */
function publicAnswer(state: State, path: string, capability: Capability): Answer | undefined {
  const issuer = new RegExp(`^${state.mount}/issuer/([^/]+)/public_key$`).exec(path)?.[1];
  if (path !== `${state.mount}/public_key` && issuer === undefined) return undefined;
  if (capability !== 'read') throw new BaoFailure(405, 'unsupported operation');
  if (issuer !== undefined && issuer !== 'default' && issuer !== state.issuerId) {
    throw new BaoFailure(400, `unable to find issuer for reference: ${issuer}`);
  }
  return { status: 200, text: `${state.caPublicKey}\n`, headers: { 'Content-Type': 'text/plain' } };
}

/** Logging in: no token is wanted, or a wrapping one that only these paths know. */
function loginAnswer(state: State, path: string, fields: Fields, sent: string): Answer | undefined {
  switch (path) {
    case 'auth/approle/login':
      return success({ auth: authData(state.appRoles.login(fields)) });
    case 'sys/wrapping/lookup':
      return success({ data: state.appRoles.lookup(textField(fields, 'token') ?? sent) });
    case 'sys/wrapping/unwrap':
      return success({ data: state.appRoles.unwrap(textField(fields, 'token') ?? sent) });
    default:
      return undefined;
  }
}

function signAnswer(state: State, roleName: string, fields: Fields, displayName: string): Answer {
  const role = state.roles.get(roleName);
  if (role === undefined) throw new BaoFailure(400, `Unknown role: ${roleName}`);
  const granted = state.sign(certificateFor(fields, role, roleName, displayName, state.clock.now()));
  const unknown = unknownFields(fields);
  return success({
    data: {
      issuer_id: state.issuerId,
      serial_number: granted.serial.toString(16),
      signed_key: `${keyLine(writeCertificate(granted, state.ca))}\n`,
    },
    warnings:
      unknown.length === 0
        ? null
        : [`Endpoint ignored these unrecognized parameters: [${unknown.join(' ')}]`],
  });
}

function roleAnswer(state: State, name: string, capability: Capability, fields: Fields): Answer {
  if (capability === 'update') {
    state.roles.set(name, roleFromRequest(fields));
    return { status: 204 };
  }
  if (capability === 'delete') {
    state.roles.delete(name);
    return { status: 204 };
  }
  const role = state.roles.get(name);
  if (role === undefined) throw new BaoFailure(404, '');
  return success({ data: roleData(role) });
}

function mountAnswer(
  state: State,
  path: string,
  capability: Capability,
  fields: Fields,
  displayName: string,
): Answer {
  const [area = '', name = ''] = path.split('/');
  if (area === 'roles' && name === '') {
    if (capability !== 'list') throw wrapped(405, 'unsupported operation');
    const keys = [...state.roles.keys()].sort();
    const info = keys.map((key) => [key, { issuer_ref: 'default', key_type: 'ca' }]);
    return success({ data: { key_info: Object.fromEntries(info), keys } });
  }
  if (area === 'roles' && capability !== 'list') return roleAnswer(state, name, capability, fields);
  if (area === 'sign' && name !== '') {
    if (capability !== 'update') throw wrapped(405, 'unsupported operation');
    return signAnswer(state, name, fields, displayName);
  }
  throw wrapped(404, 'unsupported path');
}

/** The answer to a request; `list` is whether its query says `list=true`. Throws BaoFailure. */
export function answerTo(state: State, request: LabRequest, list: boolean): Answer {
  const path = request.path.replace(/\/+$/, '');
  if (path === 'sys/health') {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new BaoFailure(405, '');
    return health(state);
  }
  if (state.sealed) throw new BaoFailure(503, 'Vault is sealed');
  const capability = capabilityOf(request.method, list);
  const fields = capability === 'update' ? fieldsOf(request.body) : new Map<string, unknown>();
  const header = request.headers['x-vault-token'];
  const bearer = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
  const sent = typeof header === 'string' ? header : (bearer ?? '');
  const open = publicAnswer(state, path, capability) ?? loginAnswer(state, path, fields, sent);
  if (open !== undefined) return open;
  const token = state.tokens.find(sent);
  if (token.grants !== undefined && token.grants.get(path)?.includes(capability) !== true) {
    throw wrapped(403, 'permission denied');
  }
  if (path === 'auth/token/lookup-self' && capability === 'read') {
    return success({ data: lookupData(token, state.clock.now()) });
  }
  if (path === 'auth/token/renew-self' && capability === 'update') {
    return success({ auth: renew(token, fields, state.clock.now()) });
  }
  if (path === 'auth/token/revoke-self' && capability === 'update') {
    state.tokens.revoke(token.id);
    return { status: 204 };
  }
  if (path === 'sys/capabilities-self' && capability === 'update') {
    const data = capabilitiesData(token, textsField(fields, 'paths'));
    const { json } = success({ data });
    // As OpenBao does for its oldest clients: once in `data`, and once beside it.
    return { status: 200, json: { ...data, ...(typeof json === 'object' ? json : {}) } };
  }
  if (path.startsWith(`${state.mount}/`)) {
    return mountAnswer(state, path.slice(state.mount.length + 1), capability, fields, token.displayName);
  }
  throw new BaoFailure(404, `no handler for route "${path}". route entry not found.`);
}
