/**
 * What a token can see of OpenBao's SSH engines: for setting up and for finding faults; nothing on the way of a login asks it.
 * OpenBao's API documentation: "/sys/internal/ui/mounts", "/sys/mounts", "/sys/capabilities-self", "/sys/health", "SSH secrets engine"
 * (list roles, read role). Any of it may be forbidden to a token that may sign. LIST is sent as `GET …?list=true`, which means the same.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { errorOf, parseJson } from './answers.ts';
import { type Authorization, baseHeaders, encodePath, HEALTH_PATH } from './headers.ts';
import type { BaoResponse, HttpClient } from './http-client.ts';
import { serverTimeOf } from './ssh-engine.ts';

/** A role as far as warden cares. */
export interface RoleFields {
  readonly userCertificates: boolean;
  /** Principals that it may sign; `*` is any. */
  readonly allowedUsers: readonly string[];
  /** Whether they hold `{{…}}`, which only OpenBao can fill in. */
  readonly usersTemplate: boolean;
  readonly defaultExtensions: readonly string[];
  /** What may be asked for; `*` is any. */
  readonly allowedExtensions: readonly string[];
  /** 0: the mount's own limit. */
  readonly maxTtlSeconds: number;
  /** Whether a request may say the key id. */
  readonly userKeyIds: boolean;
  /** Else the key id has this form; empty: OpenBao's own, which names the token. */
  readonly keyIdFormat: string;
  readonly hostCertificates: boolean;
  /** Whether it signs for nobody in particular, which a host may take for everybody. */
  readonly emptyPrincipals: boolean;
  /** Whether a value that a template puts in may be `*`, or several. */
  readonly looseTemplates: boolean;
  readonly defaultCriticalOptions: readonly string[];
  /** What may be asked for; empty and `*` are any, and whatever is asked for takes the place of all defaults. */
  readonly allowedCriticalOptions: readonly string[];
  /** Types of keys that it signs; empty: any. */
  readonly keyTypes: readonly string[];
  /** Of an RSA CA: `default`, `ssh-rsa` (SHA-1), `rsa-sha2-256`, `rsa-sha2-512`. */
  readonly algorithm: string;
  /** How long before now its certificates begin. */
  readonly backdateSeconds: number;
}

export interface Health {
  readonly initialized: boolean;
  readonly sealed: boolean;
  /** It serves what it can, and passes the rest on to the active node. */
  readonly standby: boolean;
  readonly version: string;
  readonly address: string;
  /** Milliseconds since the epoch by the server's `Date` header, where it sent one. */
  readonly serverTime: number | undefined;
}

/** Every call throws what the HTTP client and `errorOf` throw: `bao_denied` where the token may not look. */
export interface Survey {
  /** The paths, without closing slash, of the SSH engines that the token may see. */
  sshMounts(authorization: Authorization, deadlineMs: number): Promise<readonly string[]>;
  roles(authorization: Authorization, mount: string, deadlineMs: number): Promise<readonly string[]>;
  /** Undefined: there is none of this name. */
  role(
    authorization: Authorization,
    mount: string,
    name: string,
    deadlineMs: number,
  ): Promise<RoleFields | undefined>;
  /** Those of `roles` that the token's policies let it sign with; whether they are there is another question. */
  maySign(
    authorization: Authorization,
    mount: string,
    roles: readonly string[],
    deadlineMs: number,
  ): Promise<readonly string[]>;
  /**
   * Whether the token can sign with the role, without a certificate: OpenBao looks at policy and role first, and the key that is sent is
   * none. Undefined: it can. Else why not.
   */
  whyNotSigning(
    authorization: Authorization,
    mount: string,
    role: string,
    deadlineMs: number,
  ): Promise<WardenError | undefined>;
  /** Paths of the audit devices; needs `sudo` at `sys/audit`. */
  auditDevices(authorization: Authorization, deadlineMs: number): Promise<readonly string[]>;
  /** What a node says of itself; needs no token. */
  health(deadlineMs: number): Promise<Health>;
}

const MAX_NAMES = 10_000;
const name = z.string().max(1024);
const mountsBody = z.object({
  data: z.union([
    z.object({ secret: z.record(name, z.object({ type: z.string() })) }).transform(({ secret }) => secret),
    z.record(name, z.object({ type: z.string() })),
  ]),
});
const listBody = z.object({ data: z.object({ keys: z.array(name).max(MAX_NAMES) }) });
const capabilitiesBody = z.object({ data: z.record(name, z.array(z.string())) });
const healthBody = z.object({
  initialized: z.boolean().default(true),
  sealed: z.boolean().default(false),
  standby: z.boolean().default(false),
  version: z.string().max(128).default(''),
});
const commaList = z.string().transform((text) => text.split(',').filter((part) => part !== ''));
const namesOf = (value: z.ZodType) =>
  z
    .record(z.string(), value)
    .nullish()
    .transform((record) => Object.keys(record ?? {}));
const roleBody = z.object({
  data: z.object({
    allow_user_certificates: z.boolean().default(false),
    allowed_users: commaList.default([]),
    allowed_users_template: z.boolean().default(false),
    default_extensions: namesOf(z.string()),
    allowed_extensions: commaList.default([]),
    max_ttl: z.number().default(0),
    allow_user_key_ids: z.boolean().default(false),
    key_id_format: z.string().default(''),
    allow_host_certificates: z.boolean().default(false),
    allow_empty_principals: z.boolean().default(false),
    allow_wildcards_in_identity_templates: z.boolean().default(false),
    allow_commas_in_identity_templates: z.boolean().default(false),
    default_critical_options: namesOf(z.string()),
    allowed_critical_options: commaList.default([]),
    allowed_user_key_lengths: namesOf(z.unknown()),
    algorithm_signer: z.string().default('default'),
    not_before_duration: z.number().default(30),
  }),
});
const auditBody = z.object({ data: z.record(name, z.object({ type: z.string() })) });

function parsed<T>(response: BaoResponse, path: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(parseJson(response));
  if (result.success) return result.data;
  throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} is not what its documentation says`, {
    hint: 'is openbao.addr right, and openbao.mount an SSH secrets engine?',
    cause: result.error,
  });
}

/** The survey of one server, in `namespace` where one is given. */
export function createSurvey(http: HttpClient, namespace: string | undefined): Survey {
  const base = baseHeaders(namespace);
  const get = (authorization: Authorization, path: string, deadlineMs: number) =>
    http.request({ method: 'GET', path, headers: { ...base, ...authorization }, deadlineMs });

  return {
    async sshMounts(authorization, deadlineMs) {
      // The first shows each token what it may use; where a policy forbids it, an administrator's token may have the second.
      const paths = ['sys/internal/ui/mounts', 'sys/mounts'] as const;
      let response = await get(authorization, paths[0], deadlineMs);
      if (response.status === 403) response = await get(authorization, paths[1], deadlineMs);
      if (response.status !== 200) throw errorOf(response, paths[0]);
      return Object.entries(parsed(response, paths[0], mountsBody).data)
        .filter(([, { type }]) => type === 'ssh')
        .map(([path]) => path.replace(/\/$/, ''));
    },
    async roles(authorization, mount, deadlineMs) {
      const path = `${encodePath(mount)}/roles`;
      const response = await get(authorization, `${path}?list=true`, deadlineMs);
      // OpenBao says 404 for an empty list, and for a path that is not mounted.
      if (response.status === 404) return [];
      if (response.status !== 200) throw errorOf(response, path);
      return parsed(response, path, listBody).data.keys;
    },
    async role(authorization, mount, role, deadlineMs) {
      const path = `${encodePath(mount)}/roles/${encodePath(role)}`;
      const response = await get(authorization, path, deadlineMs);
      if (response.status === 404) return undefined;
      if (response.status !== 200) throw errorOf(response, path);
      const { data } = parsed(response, path, roleBody);
      return {
        userCertificates: data.allow_user_certificates,
        allowedUsers: data.allowed_users,
        usersTemplate: data.allowed_users_template,
        defaultExtensions: data.default_extensions,
        allowedExtensions: data.allowed_extensions,
        maxTtlSeconds: data.max_ttl,
        userKeyIds: data.allow_user_key_ids,
        keyIdFormat: data.key_id_format,
        hostCertificates: data.allow_host_certificates,
        emptyPrincipals: data.allow_empty_principals,
        looseTemplates: data.allow_wildcards_in_identity_templates || data.allow_commas_in_identity_templates,
        defaultCriticalOptions: data.default_critical_options,
        allowedCriticalOptions: data.allowed_critical_options,
        keyTypes: data.allowed_user_key_lengths,
        algorithm: data.algorithm_signer,
        backdateSeconds: data.not_before_duration,
      };
    },
    async maySign(authorization, mount, roles, deadlineMs) {
      const path = 'sys/capabilities-self';
      const signPath = (role: string) => `${mount}/sign/${role}`;
      const response = await http.request({
        method: 'POST',
        path,
        headers: { ...base, ...authorization },
        body: JSON.stringify({ paths: roles.map(signPath) }),
        deadlineMs,
      });
      if (response.status !== 200) throw errorOf(response, path);
      const { data } = parsed(response, path, capabilitiesBody);
      return roles.filter((role) =>
        data[signPath(role)]?.some((capability) => capability === 'update' || capability === 'root'),
      );
    },
    async whyNotSigning(authorization, mount, role, deadlineMs) {
      const path = `${encodePath(mount)}/sign/${encodePath(role)}`;
      const body = JSON.stringify({ public_key: 'ssh-ed25519 AAAA', cert_type: 'user' });
      const response = await http.request({
        method: 'POST',
        path,
        headers: { ...base, ...authorization },
        body,
        deadlineMs,
      });
      const error = errorOf(response, path);
      return response.status === 400 && /public_key/i.test(response.body) ? undefined : error;
    },
    async auditDevices(authorization, deadlineMs) {
      const path = 'sys/audit';
      const response = await get(authorization, path, deadlineMs);
      if (response.status !== 200) throw errorOf(response, path);
      return Object.keys(parsed(response, path, auditBody).data);
    },
    async health(deadlineMs) {
      const path = 'sys/health';
      const headers = baseHeaders(undefined);
      const response = await http.request({ method: 'GET', path: HEALTH_PATH, headers, deadlineMs });
      const body = parsed(response, path, healthBody);
      return { ...body, address: response.address, serverTime: serverTimeOf(response) };
    },
  };
}
