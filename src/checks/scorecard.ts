/**
 * The scorecard: ops-warden's five checks of actors and certificates in files, and three more: the actors' caps beside OpenBao's roles,
 * actors that nobody uses, and what never ends.
 */

import type { Issuance } from '../activity/issuances.ts';
import { ACTOR_TYPES, type Actor, type ActorType, TTL_CAP_SECONDS } from '../inventory/actor.ts';
import { BACKDATE_ALLOWANCE_S } from '../issuance/check.ts';
import { endOf, type OnFile } from '../issuance/on-file.ts';
import type { RoleFields } from '../openbao/survey.ts';
import { FOREVER } from '../ssh/certificate.ts';
import { type Check, checkOf } from './check.ts';

/** After so many days an actor counts as unused. */
export const UNUSED_DAYS = 90;

export interface ScorecardInput {
  readonly actors: readonly Actor[];
  readonly onFile: readonly OnFile[];
  /** Of the last UNUSED_DAYS. */
  readonly issuances: readonly Issuance[];
  /** Whether the trail is so old that silence means something. */
  readonly trailIsOld: boolean;
  /** For each type with a role: the role, or why it can't be seen. Left out: there is no role. */
  readonly roles: ReadonlyMap<ActorType, { readonly name: string; readonly fields: RoleFields | string }>;
  /** Seconds that the credential's token has left; 0: forever; undefined: not known. */
  readonly tokenTtlSeconds: number | undefined;
}

function capsVsRoles({ actors, roles }: ScorecardInput): Check {
  const expected =
    'no role signs for longer than the cap of the actors’ type, and no actor asks for more than its role signs';
  const unseen: string[] = [];
  const wrong: string[] = [];
  for (const type of ACTOR_TYPES) {
    const role = roles.get(type);
    if (role === undefined) continue;
    const { name, fields } = role;
    if (typeof fields === 'string') {
      unseen.push(`${name}: ${fields}`);
      continue;
    }
    const most = fields.maxTtlSeconds;
    if (most === 0) wrong.push(`${name} has no max_ttl of its own`);
    else if (most > TTL_CAP_SECONDS[type])
      wrong.push(`${name} signs for ${most / 3600} h, ${type} may have ${TTL_CAP_SECONDS[type] / 3600} h`);
    for (const actor of actors.filter(
      (each) => each.type === type && each.files && most > 0 && each.ttlSeconds > most,
    ))
      wrong.push(`${actor.name} may have ${actor.ttlSeconds / 3600} h, ${name} signs for ${most / 3600} h`);
  }
  if (wrong.length > 0)
    return checkOf('caps.roles', expected, wrong, 'set max_ttl of the role, or ttl_hours of the actor');
  return checkOf(
    'caps.roles',
    expected,
    unseen,
    'let the token read the roles: path "…/roles/ROLE" { capabilities = ["read"] }',
    'unknown',
  );
}

/** Runs all checks; never throws. */
export function scorecard(input: ScorecardInput): readonly Check[] {
  const { actors, onFile, issuances, trailIsOld, tokenTtlSeconds } = input;
  const used = new Set(issuances.map(({ actor }) => actor?.id));
  const known = new Map(actors.map((actor) => [actor.name, actor]));
  const readable = onFile.flatMap((each) =>
    each.certificate === undefined ? [] : [{ ...each, certificate: each.certificate }],
  );
  const never = [
    ...readable
      .filter(({ certificate }) => certificate.validBefore === FOREVER)
      .map(({ path }) => `${path} never ends`),
    ...(tokenTtlSeconds === 0 ? ['the token that signs never ends'] : []),
  ];
  const tooLong = readable.flatMap(({ actor, path, certificate }) => {
    const owner = known.get(actor);
    const length = certificate.validBefore - certificate.validAfter;
    if (owner === undefined || length <= BigInt(owner.ttlSeconds + BACKDATE_ALLOWANCE_S)) return [];
    return [`${path} is valid for ${length} s, ${actor} may have ${owner.ttlSeconds} s`];
  });
  const expired = onFile.filter(({ state }) => state === 'expired');
  const stale = onFile.filter(({ actor, state }) => state === 'unreadable' || !known.has(actor));
  return [
    checkOf(
      'actors.prefix',
      'the name of every actor begins with its type',
      actors.filter(({ name, type }) => !name.startsWith(`${type}-`)).map(({ name }) => name),
      'rename the actor',
    ),
    checkOf(
      'actors.principals',
      'every actor has principals',
      actors.filter(({ principals }) => principals.length === 0).map(({ name }) => name),
      'add principals',
    ),
    checkOf(
      'certificates.expired',
      'no certificate in a file has expired',
      expired.map(
        ({ path, certificate }) => `${path} ended ${certificate === undefined ? '' : endOf(certificate)}`,
      ),
      'warden cleanup',
    ),
    checkOf(
      'certificates.stale',
      'every certificate in a file is one, and of an actor of the inventory',
      stale.map(({ path, state }) =>
        state === 'unreadable' ? `${path} is no certificate` : `${path}: no such actor`,
      ),
      'warden cleanup',
    ),
    checkOf(
      'certificates.ttl',
      'no certificate in a file is valid for longer than its actor may have',
      tooLong,
      'sign it again',
    ),
    capsVsRoles(input),
    checkOf(
      'actors.unused',
      trailIsOld
        ? `every actor was used in the last ${UNUSED_DAYS} days`
        : `the trail is younger than ${UNUSED_DAYS} days`,
      trailIsOld
        ? actors.filter(({ name }) => !used.has(name)).map(({ name }) => `${name} was not used`)
        : [],
      'warden inventory remove ACTOR',
      'warn',
    ),
    checkOf('never.ends', 'nothing lasts for ever', never, 'sign it again; log in with a token that ends'),
  ];
}
