/** Inventory and lanes beside OpenBao's roles: principals, TTL, extensions, key ids. */
import type { Config } from '../config/config.ts';
import type { RoleFields } from '../openbao/survey.ts';
import { type Drift, drift } from './finding.ts';

/** What warden can ask of one role. */
export interface RoleNeed {
  readonly name: string;
  readonly principals: ReadonlySet<string>;
  readonly ttlSeconds: number;
  /** Asked for by name. */
  readonly extensions: ReadonlySet<string>;
  /** Whether some ask for none by name, and get the role's defaults. */
  readonly defaults: boolean;
}

/** The roles that lanes and actors with files use, with all that may be asked of them. */
export function roleNeeds({
  actors,
  lanes,
  openbao,
}: Pick<Config, 'actors' | 'lanes' | 'openbao'>): readonly RoleNeed[] {
  const asks = [
    ...lanes.map(({ role, principals, ttlSeconds, extensions }) => ({
      role,
      principals,
      ttlSeconds,
      extensions,
    })),
    ...[...actors.values()].flatMap(({ type, files, principals, ttlSeconds }) => {
      const role = openbao.roleMap[type];
      return files && role !== undefined ? [{ role, principals, ttlSeconds, extensions: undefined }] : [];
    }),
  ];
  return [...new Set(asks.map(({ role }) => role))].map((name) => {
    const its = asks.filter(({ role }) => role === name);
    return {
      name,
      principals: new Set(its.flatMap(({ principals }) => principals)),
      ttlSeconds: Math.max(...its.map(({ ttlSeconds }) => ttlSeconds)),
      extensions: new Set(its.flatMap(({ extensions }) => extensions ?? [])),
      defaults: its.some(({ extensions }) => extensions === undefined),
    };
  });
}

/** One role beside what is needed of it; `fields` is why it can't be seen where it is a text. */
export function roleDrift(
  need: RoleNeed,
  fields: RoleFields | string,
  keyId: 'none' | 'actor',
  mount: string,
): readonly Drift[] {
  const subject = `role ${need.name}`;
  const source = `openbao ${mount}/roles/${need.name}`;
  if (typeof fields === 'string') return [drift('unreachable', subject, '~', fields, source)];
  const wider = (what: string) => drift('role_wider_than_catalog', subject, '+', what, source);
  const narrower = (what: string) => drift('role_narrower', subject, '-', what, source);
  const { allowedUsers, usersTemplate, maxTtlSeconds, allowedExtensions, defaultExtensions, userKeyIds } =
    fields;
  const any = allowedUsers.includes('*');
  const allowed = (name: string) => allowedExtensions.includes('*') || allowedExtensions.includes(name);
  return [
    ...(any
      ? [wider('allowed_users is *')]
      : allowedUsers
          .filter((name) => !usersTemplate && !need.principals.has(name))
          .map((name) => wider(`principal ${name}, which no lane or actor has`))),
    ...(any || usersTemplate
      ? []
      : [...need.principals]
          .filter((name) => !allowedUsers.includes(name))
          .map((name) => narrower(`principal ${name}`))),
    ...(maxTtlSeconds === 0 ? [wider('no max_ttl of its own')] : []),
    ...(maxTtlSeconds > need.ttlSeconds
      ? [wider(`max_ttl ${maxTtlSeconds} s, ${need.ttlSeconds} s are asked for at most`)]
      : []),
    ...(maxTtlSeconds > 0 && maxTtlSeconds < need.ttlSeconds
      ? [narrower(`max_ttl ${maxTtlSeconds} s, ${need.ttlSeconds} s may be asked for`)]
      : []),
    ...(allowedExtensions.includes('*') ? [wider('allowed_extensions is *')] : []),
    ...allowedExtensions
      .filter((name) => name !== '*' && !need.extensions.has(name))
      .filter((name) => !(need.defaults && defaultExtensions.includes(name)))
      .map((name) => wider(`extension ${name}, which nobody asks for`)),
    ...[...need.extensions].filter((name) => !allowed(name)).map((name) => narrower(`extension ${name}`)),
    ...(userKeyIds && keyId === 'none' ? [wider('allow_user_key_ids, and no key id is asked for')] : []),
    ...(!userKeyIds && keyId === 'actor' ? [narrower('allow_user_key_ids: openbao.key_id is actor')] : []),
  ];
}
