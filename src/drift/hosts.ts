/** Inventory and lanes beside what hosts say: who may log in as whom there, and which CA they trust. */
import { matchLane } from '../catalog/choose.ts';
import type { Lane } from '../catalog/lane.ts';
import type { Config } from '../config/config.ts';
import { type Drift, drift } from './finding.ts';
import type { HostFacts } from './host-facts.ts';

function lanesOf(lanes: readonly Lane[], host: string): readonly Lane[] {
  const match = matchLane(lanes, host);
  if (match.kind === 'lane') return [match.lane];
  return match.kind === 'none' ? [] : match.lanes;
}

function trustDrift({ host, source, sshd, cas }: HostFacts, pinned: readonly string[]): readonly Drift[] {
  const subject = `host ${host}`;
  const wrong = (what: string) => drift('host_trust', subject, '~', what, source);
  const trusted = sshd?.get('trustedusercakeys')?.value;
  const keys = sshd?.get('authorizedkeysfile')?.value;
  return [
    ...(trusted === 'none' ? [wrong('TrustedUserCAKeys is none: it takes no certificates')] : []),
    ...(keys !== undefined && keys !== 'none'
      ? [wrong(`AuthorizedKeysFile is ${keys}: keys alone open it`)]
      : []),
    ...(pinned.length === 0
      ? []
      : (cas ?? [])
          .filter((ca) => !pinned.includes(ca))
          .map((ca) => wrong(`it trusts the CA ${ca}, which is not ours`))),
    ...(cas !== undefined && pinned.length > 0 && !pinned.some((ca) => cas.includes(ca))
      ? [wrong('it does not trust our CA')]
      : []),
  ];
}

/** One host. `pinned`: fingerprints of the CAs that sign for us; none: not known. */
export function hostDrift(
  { actors, lanes }: Pick<Config, 'actors' | 'lanes'>,
  facts: HostFacts,
  pinned: readonly string[],
): readonly Drift[] {
  const { host, source, principals, unseen } = facts;
  const subject = `host ${host}`;
  if (typeof principals === 'string') return [drift('unreachable', subject, '~', principals, source)];
  const covering = lanesOf(lanes, host);
  // Without such files the login name is the principal (sshd_config(5), AuthorizedPrincipalsFile).
  const byName = facts.sshd?.get('authorizedprincipalsfile')?.value === 'none';
  // A certificate in a file may be meant for any host.
  const byFile = new Set(
    [...actors.values()].filter(({ files }) => files).flatMap((actor) => actor.principals),
  );
  const granted = (user: string, principal: string) =>
    byFile.has(principal) ||
    covering.some(
      (lane) =>
        lane.principals.includes(principal) && (lane.logins.includes(user) || lane.logins.includes('*')),
    );
  const known = new Set([...actors.values()].flatMap((actor) => actor.principals));
  const users = [...new Set(principals.map(({ user }) => user))];
  const unmanaged = users.filter((user) => {
    const its = principals.filter((each) => each.user === user);
    return (
      !covering.some(({ logins }) => logins.includes(user) || logins.includes('*')) &&
      !its.some(({ principal }) => known.has(principal))
    );
  });
  return [
    ...unseen.map((what) => drift('unreachable', subject, '~', what, source)),
    ...unmanaged.map((user) =>
      drift('unmanaged_file', subject, '+', `the principals of ${user} are none of ours`, source),
    ),
    ...principals
      .filter(({ user, principal }) => !unmanaged.includes(user) && !granted(user, principal))
      .map(({ user, principal, source: at }) =>
        drift(
          'excess_on_host',
          subject,
          '+',
          `${principal} may log in as ${user}, which no lane or actor has`,
          at,
        ),
      ),
    ...covering.flatMap((lane) =>
      lane.logins
        .filter(
          (user) =>
            user !== '*' &&
            !(byName && lane.principals.includes(user)) &&
            !principals.some((each) => each.user === user && lane.principals.includes(each.principal)),
        )
        .map((user) =>
          drift(
            'missing_on_host',
            subject,
            '-',
            `${lane.principals.join(', ')} as ${user} (lane ${lane.id})`,
            lane.source,
          ),
        ),
    ),
    ...trustDrift(facts, pinned),
  ];
}

/** Hosts that lanes name and nobody has looked at. */
export function unseenHosts(lanes: readonly Lane[], seen: readonly HostFacts[]): readonly Drift[] {
  const names = new Set(seen.map(({ host }) => host));
  return lanes.flatMap(({ hosts, id, source }) =>
    hosts.flatMap((pattern) =>
      pattern.kind === 'exact' && !names.has(pattern.host) && !names.has(pattern.text)
        ? [
            drift(
              'unreachable',
              `host ${pattern.text}`,
              '~',
              `nothing is known of it, and lane ${id} names it`,
              source,
            ),
          ]
        : [],
    ),
  );
}
