/**
 * What OpenBao's side should be where it signs logins: each role that warden uses, and the server around it. A role is the real limit of
 * whoever has the token. OpenBao's API documentation: "SSH secrets engine" (create role), "/sys/audit".
 */

import type { Config } from '../config/config.ts';
import { isLoopback } from '../config/openbao-block.ts';
import { ACTOR_TYPES, TTL_CAP_SECONDS } from '../inventory/actor.ts';
import { BACKDATE_ALLOWANCE_S } from '../issuance/check.ts';
import type { SeenRoles } from '../openbao/roles-of.ts';
import type { RoleFields } from '../openbao/survey.ts';
import { judge, type Posture, type Rule } from './finding.ts';

/** A role, and the longest that an actor who uses it may have, in seconds. */
export interface UsedRole {
  readonly name: string;
  readonly capSeconds: number;
}

/** The roles of `role_map` and of lanes. */
export function usedRoles({ lanes, openbao }: Pick<Config, 'lanes' | 'openbao'>): readonly UsedRole[] {
  const uses = [
    ...lanes.map(({ role, actor }) => ({ role, type: actor.type })),
    ...ACTOR_TYPES.flatMap((type) => {
      const role = openbao.roleMap[type];
      return role === undefined ? [] : [{ role, type }];
    }),
  ];
  return [...new Set(uses.map(({ role }) => role))].map((name) => ({
    name,
    capSeconds: Math.max(
      ...uses.filter(({ role }) => role === name).map(({ type }) => TTL_CAP_SECONDS[type]),
    ),
  }));
}

/** What a request can ask for instead of the role's defaults, and log in with: sshd refuses any other critical option (PROTOCOL.certkeys). */
const USABLE = ['*', 'force-command', 'source-address', 'verify-required'];

interface RoleRule extends Rule {
  readonly wrong: (
    fields: RoleFields,
    used: UsedRole,
    keyId: Config['openbao']['keyId'],
  ) => string | undefined;
}

/** Handed on by everybody who logs in, or run there, without anybody asking. */
const NOT_BY_DEFAULT = ['permit-agent-forwarding', 'permit-X11-forwarding', 'permit-user-rc'];

function rule(
  id: string,
  level: Rule['level'],
  expected: string,
  todo: string,
  wrong: RoleRule['wrong'],
): RoleRule {
  return { id, level, expected, todo, wrong };
}

const set = (fields: string) =>
  `bao write ssh/roles/ROLE … ${fields} (it overwrites the whole role: warden init --server prints one)`;

const ROLE_RULES: readonly RoleRule[] = [
  rule(
    'ca.ttl',
    'high',
    'max_ttl is set, and no longer than its actors may have',
    set('max_ttl=5m'),
    (role, { capSeconds }) => {
      if (role.maxTtlSeconds === 0) return 'no max_ttl of its own';
      return role.maxTtlSeconds > capSeconds
        ? `max_ttl is ${role.maxTtlSeconds} s, its actors may have ${capSeconds} s`
        : undefined;
    },
  ),
  rule(
    'ca.any_user',
    'critical',
    'allowed_users names principals',
    set('allowed_users=NAME,…'),
    ({ allowedUsers }) => (allowedUsers.includes('*') ? 'allowed_users is *' : undefined),
  ),
  rule(
    'ca.empty_principals',
    'critical',
    'no certificate is without principals',
    set('allow_empty_principals=false'),
    ({ emptyPrincipals }) =>
      emptyPrincipals ? 'allow_empty_principals: such a certificate may be for everybody' : undefined,
  ),
  rule(
    'ca.templates',
    'high',
    'what a template puts in is one name',
    set('allow_wildcards_in_identity_templates=false allow_commas_in_identity_templates=false'),
    ({ usersTemplate, looseTemplates }) =>
      usersTemplate && looseTemplates
        ? 'an identity’s own data may put in * or several principals'
        : undefined,
  ),
  rule(
    'ca.key_id_choice',
    'medium',
    'a request may not say the key id',
    set('allow_user_key_ids=false'),
    ({ userKeyIds }, _used, keyId) =>
      userKeyIds && keyId === 'none'
        ? 'allow_user_key_ids: a request can name somebody else in the logs of the hosts'
        : undefined,
  ),
  rule(
    'ca.key_id_format',
    'medium',
    'the key id tells whose token it was',
    set("key_id_format='warden-{{token_display_name}}-{{public_key_hash}}'"),
    ({ keyIdFormat }) =>
      keyIdFormat === '' || /\{\{\s*(token_display_name|identity\.)/.test(keyIdFormat)
        ? undefined
        : `key_id_format ${JSON.stringify(keyIdFormat)} names no token`,
  ),
  rule(
    'ca.extensions',
    'high',
    'allowed_extensions names extensions',
    set('allowed_extensions=permit-pty,…'),
    ({ allowedExtensions }) => (allowedExtensions.includes('*') ? 'allowed_extensions is *' : undefined),
  ),
  rule(
    'ca.default_extensions',
    'medium',
    `no ${NOT_BY_DEFAULT.join(', ')} by default`,
    set('default_extensions=permit-pty=""'),
    ({ defaultExtensions }) => {
      const wide = defaultExtensions.filter((name) => NOT_BY_DEFAULT.includes(name));
      return wide.length === 0 ? undefined : `by default ${wide.join(', ')}`;
    },
  ),
  rule(
    'ca.critical_options',
    'high',
    'a request can’t shake off the role’s critical options',
    set('allowed_critical_options=none'),
    ({ defaultCriticalOptions: defaults, allowedCriticalOptions: allowed }) =>
      defaults.length > 0 && (allowed.length === 0 || allowed.some((name) => USABLE.includes(name)))
        ? `${defaults.join(', ')} is only a default, and goes where a request asks for any option`
        : undefined,
  ),
  rule(
    'ca.host_certificates',
    'high',
    'it signs no host certificates',
    set('allow_host_certificates=false'),
    ({ hostCertificates }) =>
      hostCertificates ? 'allow_host_certificates: who logs in can also pose as a host' : undefined,
  ),
  rule('ca.algorithm', 'high', 'it signs without SHA-1', set('algorithm_signer=default'), ({ algorithm }) =>
    algorithm === 'ssh-rsa' ? 'algorithm_signer is ssh-rsa, which is SHA-1' : undefined,
  ),
  rule(
    'ca.backdate',
    'medium',
    `certificates begin at most ${BACKDATE_ALLOWANCE_S} s ago`,
    set('not_before_duration=30s'),
    ({ backdateSeconds }) =>
      backdateSeconds > BACKDATE_ALLOWANCE_S ? `not_before_duration is ${backdateSeconds} s` : undefined,
  ),
  rule(
    'ca.key_types',
    'low',
    'allowed_user_key_lengths names types of keys',
    set('allowed_user_key_lengths=ed25519=0'),
    ({ keyTypes }) => (keyTypes.length === 0 ? 'keys of any type are signed' : undefined),
  ),
];

const ROLE: Rule = {
  id: 'ca.role',
  level: 'high',
  expected: 'the role is there and can be read',
  todo: 'let the token read it: path "…/roles/ROLE" { capabilities = ["read"] }',
};
const AUDIT: Rule = {
  id: 'ca.audit_device',
  level: 'critical',
  expected: 'OpenBao writes an audit log',
  todo: 'as operator: an audit stanza in the server’s configuration; to see it: path "sys/audit" { capabilities = ["read", "sudo"] }',
};
const TOKEN: Rule = {
  id: 'ca.token',
  level: 'critical',
  expected: 'the token that signs is no root token',
  todo: 'log in, or make a token of the policy that warden init --server prints',
};
const TRANSPORT: Rule = {
  id: 'ca.transport',
  level: 'high',
  expected: 'OpenBao is asked over TLS that is checked, or on this machine',
  todo: 'https in openbao.addr, openbao.ca_cert, and no skip_verify',
};

function transport({ addresses, tls }: Config['openbao']): readonly string[] {
  const urls = addresses.map((address) => new URL(address));
  return [
    ...urls
      .filter((url) => url.protocol === 'http:' && !isLoopback(url.hostname))
      .map(({ host }) => `${host} is asked in the clear`),
    ...(tls.skipVerify && urls.some(({ protocol }) => protocol === 'https:')
      ? ['skip_verify: the token goes to whoever answers']
      : []),
  ];
}

/** Judges the server and each role by what the token could see. */
export function caPosture(
  openbao: Config['openbao'],
  roles: readonly UsedRole[],
  seen: SeenRoles,
): readonly Posture[] {
  const server = `openbao ${openbao.addresses[0]}`;
  const { audit, token } = seen;
  return [
    ...roles.flatMap((used) => {
      const subject = `role ${used.name}`;
      const evidence = `openbao ${openbao.mount}/roles/${used.name}`;
      const fields = seen.roles.get(used.name) ?? 'it was not asked';
      if (typeof fields === 'string') return [judge(ROLE, subject, { unknown: [fields], evidence })];
      return ROLE_RULES.map((each) => {
        const wrong = each.wrong(fields, used, openbao.keyId);
        return judge(each, subject, { wrong: wrong === undefined ? [] : [wrong], evidence });
      });
    }),
    judge(
      AUDIT,
      server,
      typeof audit === 'string'
        ? { unknown: [`sys/audit: ${audit}`], evidence: 'openbao sys/audit' }
        : { wrong: audit.length === 0 ? ['there is no audit device'] : [], evidence: 'openbao sys/audit' },
    ),
    judge(TOKEN, server, {
      wrong: token?.policies.includes('root') === true ? ['it is a root token'] : [],
      unknown: token === undefined ? ['the token can’t be looked up'] : [],
      evidence: 'openbao auth/token/lookup-self',
    }),
    judge(TRANSPORT, server, { wrong: transport(openbao), evidence: 'openbao.addr' }),
  ];
}
