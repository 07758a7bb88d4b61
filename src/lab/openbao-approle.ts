/**
 * The lab's AppRole login, mounted at `approle` (OpenBao's API documentation, "AppRole auth method", "/sys/wrapping/lookup",
 * "/sys/wrapping/unwrap"), as far as a client meets it. Left out: making roles and secret ids over HTTP (`AppRoles` does), their limits of uses,
 * time and network, entities' names, wrapping of anything else.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock } from '../system/clock.ts';
import { BaoFailure, type Fields, textField } from './openbao-fields.ts';
import type { LabToken, TokenStore } from './openbao-tokens.ts';

const NOT_VALID = 'wrapping token is not valid or does not exist';

interface Wrapped {
  readonly data: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly createdMs: number;
  readonly ttlSeconds: number;
}

interface AppRole {
  readonly name: string;
  /** The SSH role that its tokens may sign with. */
  readonly sshRole: string;
  readonly tokenTtlSeconds: number;
  readonly entityId: string;
  readonly secretIds: Set<string>;
}

export class AppRoles {
  readonly #tokens: TokenStore;
  readonly #clock: Clock;
  readonly #byRoleId = new Map<string, AppRole>();
  readonly #wrapped = new Map<string, Wrapped>();

  constructor(tokens: TokenStore, clock: Clock) {
    this.#tokens = tokens;
    this.#clock = clock;
  }

  /** Makes an AppRole whose tokens may sign with one SSH role. Returns its role id. */
  create(name: string, sshRole: string, tokenTtlSeconds = 3600): string {
    const roleId = randomUUID();
    const secretIds = new Set<string>();
    this.#byRoleId.set(roleId, { name, sshRole, tokenTtlSeconds, entityId: randomUUID(), secretIds });
    return roleId;
  }

  /** A new secret id of an AppRole. Throws where there is no such role id. */
  secretId(roleId: string): string {
    const role = this.#byRoleId.get(roleId);
    if (role === undefined) throw new Error('no such role id');
    const secretId = randomUUID();
    role.secretIds.add(secretId);
    return secretId;
  }

  /** The same in a wrapping token. */
  wrappedSecretId(roleId: string, ttlSeconds = 60): string {
    const token = `s.${randomBytes(18).toString('base64url')}`;
    const secret_id = this.secretId(roleId);
    this.#wrapped.set(token, {
      data: { secret_id, secret_id_accessor: randomUUID(), secret_id_num_uses: 0, secret_id_ttl: 0 },
      path: `auth/approle/role/${this.#byRoleId.get(roleId)?.name}/secret-id`,
      createdMs: this.#clock.now(),
      ttlSeconds,
    });
    return token;
  }

  /** `auth/approle/login`. Throws BaoFailure, in the real server's order: what is missing is a 500 or a 400, what is wrong a 400. */
  login(fields: Fields): LabToken {
    const [roleId, secretId] = [loginField(fields, 'role_id'), loginField(fields, 'secret_id')];
    if (roleId === '') throw new BaoFailure(500, 'missing role_id');
    const role = this.#byRoleId.get(roleId);
    if (role !== undefined && secretId === '') throw new BaoFailure(400, 'missing secret_id');
    if (role?.secretIds.has(secretId) !== true) throw new BaoFailure(400, 'invalid role or secret ID');
    const { name, entityId } = role;
    const id = this.#tokens.create(role.sshRole, '', role.tokenTtlSeconds, {
      displayName: 'approle',
      path: 'auth/approle/login',
      meta: { role_name: name },
      entityId,
      orphan: true,
    });
    return this.#tokens.find(id);
  }

  /** `data` of `sys/wrapping/lookup`; needs no token. Throws BaoFailure. */
  lookup(token: string): Readonly<Record<string, unknown>> {
    const { path, createdMs, ttlSeconds } = this.#find(token);
    const creation_time = new Date(createdMs).toISOString();
    return { creation_path: path, creation_time, creation_ttl: ttlSeconds };
  }

  /** `data` of `sys/wrapping/unwrap`, once. Throws BaoFailure. */
  unwrap(token: string): Readonly<Record<string, unknown>> {
    const { data } = this.#find(token);
    this.#wrapped.delete(token);
    return data;
  }

  #find(token: string): Wrapped {
    if (token === '') throw new BaoFailure(403, 'error validating wrapping token: token is empty');
    const wrapped = this.#wrapped.get(token);
    if (wrapped === undefined || wrapped.createdMs + wrapped.ttlSeconds * 1000 <= this.#clock.now())
      throw new BaoFailure(400, NOT_VALID);
    return wrapped;
  }
}

/** A field of a login: what can't be converted is a 500 here. */
function loginField(fields: Fields, name: string): string {
  try {
    return textField(fields, name) ?? '';
  } catch (thrown) {
    throw thrown instanceof BaoFailure ? new BaoFailure(500, thrown.message) : thrown;
  }
}
