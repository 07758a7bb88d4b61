/**
 * The lab's tokens: a root token, and tokens that may use one role (OpenBao's API documentation, "Token auth method": lookup-self,
 * renew-self, revoke-self). Left out: creating tokens over HTTP, policies as documents, leases, batch tokens, entities.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../system/clock.ts';
import { BaoFailure, durationField, type Fields } from './openbao-fields.ts';

export type Capability = 'read' | 'update' | 'delete' | 'list';

/** Where a token comes from, as OpenBao shows it. */
export interface TokenOrigin {
  readonly displayName: string;
  readonly path: string;
  readonly meta: Readonly<Record<string, string>> | null;
  readonly entityId: string;
  readonly orphan: boolean;
}

export interface LabToken extends TokenOrigin {
  readonly id: string;
  readonly accessor: string;
  /** Path to what may be done there; undefined: everything. */
  readonly grants: ReadonlyMap<string, readonly Capability[]> | undefined;
  readonly policies: readonly string[];
  readonly createdMs: number;
  readonly creationTtl: number;
  /** Seconds that a renewal without an increment gives: those of the last one. */
  leaseSeconds: number;
  /** Milliseconds since the epoch; undefined: never. */
  expiresMs: number | undefined;
}

export interface TokenStore {
  /** A token for `role` alone, with the default hour to live; `name` is given OpenBao's prefix `token-`, unless an origin says how it was made. */
  create(role: string, name?: string, ttlSeconds?: number, origin?: TokenOrigin): string;
  readonly root: string;
  /** Throws BaoFailure 403 for a missing, unknown or expired token. */
  find(id: string): LabToken;
  revoke(id: string): void;
}

function seconds(ms: number): number {
  return Math.max(0, Math.floor(ms / 1000));
}

export function tokenStore(mount: string, clock: Clock): TokenStore {
  const tokens = new Map<string, LabToken>();
  const add = (
    origin: TokenOrigin,
    policies: readonly string[],
    grants: LabToken['grants'],
    creationTtl: number,
  ): string => {
    const id = `s.${randomBytes(18).toString('base64url')}`;
    const createdMs = clock.now();
    tokens.set(id, {
      ...origin,
      id,
      accessor: randomBytes(18).toString('base64url'),
      policies,
      grants,
      createdMs,
      creationTtl,
      leaseSeconds: creationTtl,
      expiresMs: creationTtl === 0 ? undefined : createdMs + creationTtl * 1000,
    });
    return id;
  };
  const made = (displayName: string, orphan: boolean): TokenOrigin => {
    return { displayName, path: 'auth/token/create', meta: null, entityId: '', orphan };
  };
  const root = add(made('token', true), ['root'], undefined, 0);
  return {
    root,
    create(role, name = 'warden-lab', ttlSeconds = 3600, origin = made(`token-${name}`, false)) {
      const grants = new Map<string, readonly Capability[]>([
        [`${mount}/sign/${role}`, ['update']],
        [`${mount}/roles/${role}`, ['read']],
        ['auth/token/lookup-self', ['read']],
        ['auth/token/renew-self', ['update']],
        ['auth/token/revoke-self', ['update']],
        ['sys/capabilities-self', ['update']],
      ]);
      return add(origin, ['default', role], grants, ttlSeconds);
    },
    find(id) {
      const token = tokens.get(id);
      if (token === undefined || (token.expiresMs !== undefined && token.expiresMs <= clock.now())) {
        throw new BaoFailure(403, 'permission denied');
      }
      return token;
    },
    revoke(id) {
      tokens.delete(id);
    },
  };
}

/** `data` of `sys/capabilities-self`: by path, and of a single one by itself. */
export function capabilitiesData(token: LabToken, paths: readonly string[]): Record<string, unknown> {
  const of = (path: string) => (token.grants === undefined ? ['root'] : (token.grants.get(path) ?? ['deny']));
  const [only] = paths;
  return {
    ...Object.fromEntries(paths.map((path) => [path, of(path)])),
    ...(paths.length === 1 && only !== undefined ? { capabilities: of(only) } : {}),
  };
}

/** `data` of `auth/token/lookup-self`. */
export function lookupData(token: LabToken, nowMs: number): Record<string, unknown> {
  return {
    accessor: token.accessor,
    creation_time: seconds(token.createdMs),
    creation_ttl: token.creationTtl,
    display_name: token.displayName,
    entity_id: token.entityId,
    expire_time: token.expiresMs === undefined ? null : new Date(token.expiresMs).toISOString(),
    explicit_max_ttl: 0,
    id: token.id,
    issue_time: new Date(token.createdMs).toISOString(),
    meta: token.meta,
    num_uses: 0,
    orphan: token.orphan,
    path: token.path,
    policies: token.policies,
    renewable: token.expiresMs !== undefined,
    ttl: token.expiresMs === undefined ? 0 : seconds(token.expiresMs - nowMs),
    type: 'service',
  };
}

/** Renews the token by `increment`, or by as much as the last time; answers `auth` of `auth/token/renew-self`. */
export function renew(token: LabToken, fields: Fields, nowMs: number): Record<string, unknown> {
  if (token.expiresMs === undefined) throw new BaoFailure(400, 'lease is not renewable');
  const lease = durationField(fields, 'increment') || token.leaseSeconds;
  token.leaseSeconds = lease;
  token.expiresMs = nowMs + lease * 1000;
  return authData(token);
}

/** `auth` of a login or a renewal. */
export function authData(token: LabToken): Record<string, unknown> {
  return {
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.meta,
    lease_duration: token.leaseSeconds,
    renewable: true,
    entity_id: token.entityId,
    token_type: 'service',
    orphan: token.orphan,
    mfa_requirement: null,
    num_uses: 0,
  };
}
