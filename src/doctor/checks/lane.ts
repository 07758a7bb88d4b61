/** Which lane does the host lead to, and does it allow this login? The choice is the daemon's own (catalog/choose.ts). */
import type { Lane } from '../../catalog/lane.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { HostFacts, KeyFact } from '../host-facts.ts';

export function checkLane({ host }: Pick<Facts, 'host'>): readonly Finding[] {
  if (host === undefined || host.lookups.length === 0) return [];
  const choices = host.keys.filter(({ destination }) => !destination.revoked);
  if (choices.length === 0) return byName(host);
  const refused = choices.flatMap((key) => ('error' in key.choice ? refusal(key, key.choice, host) : []));
  const chosen = [
    ...new Map(
      choices.flatMap(({ choice }) => ('lane' in choice ? [[choice.lane.id, choice] as const] : [])),
    ).values(),
  ];
  const lanes = chosen.flatMap(({ lane, name }) => [
    ok(
      'lane.chosen',
      `lane ${lane.id} covers it, by the name ${name.name}`,
      `${lane.source}; ${name.source}`,
    ),
    ...login(lane, host),
  ]);
  return distinct([...refused, ...lanes]);
}

function distinct(findings: readonly Finding[]): readonly Finding[] {
  return [...new Map(findings.map((each) => [`${each.id} ${each.what}`, each])).values()];
}

/** Nothing is known of the host key: which lane it would be. */
function byName(host: HostFacts): readonly Finding[] {
  const covering = host.byName.filter(({ match }) => match.kind !== 'none');
  const [first] = covering;
  if (first === undefined) return [noLane(host.lookups.join(', '))];
  if (first.match.kind === 'ambiguous') return [several(first.name, first.match.lanes)];
  const { match } = first;
  return match.kind === 'lane'
    ? [
        ok('lane.by_name', `lane ${match.lane.id} covers the name ${first.name}`, match.lane.source),
        ...login(match.lane, host),
      ]
    : [];
}

function noLane(names: string): Finding {
  return finding('problem', 'lane.none', `no lane covers ${names}`, {
    todo: 'add one of these names to the hosts of a lane in the catalog',
  });
}

function several(name: string, lanes: readonly Lane[]): Finding {
  return finding(
    'problem',
    'lane.several',
    `several lanes cover ${name} equally well: ${lanes.map(({ id }) => id).join(', ')}`,
    {
      from: lanes.map(({ source }) => source).join(', '),
      todo: 'give one of them a more exact pattern for this name',
    },
  );
}

function refusal(
  key: KeyFact,
  { error, message, hint }: Extract<KeyFact['choice'], { readonly error: string }>,
  host: HostFacts,
): readonly Finding[] {
  const equal = host.byName.find(({ match }) => match.kind === 'ambiguous');
  if (error === 'ambiguous_host_key' && equal?.match.kind === 'ambiguous')
    return [several(equal.name, equal.match.lanes)];
  if (error === 'ambiguous_host_key')
    return [finding('problem', 'lane.ambiguous_host_key', message, { from: key.line.source, todo: hint })];
  const none = noLane(key.destination.names.map(({ name }) => name).join(', ') || host.lookups.join(', '));
  if (key.unread.length === 0) return [none];
  return [
    none,
    finding(
      'warning',
      'lane.hashed',
      `known_hosts has more names for this key, but hashed: a lane's pattern can't be tried on them`,
      {
        from: key.unread.join(', '),
        todo: 'ssh to the host by the name that the lane means, or put that exact name into the lane; or set HashKnownHosts no',
      },
    ),
  ];
}

/** Whether the lane lets this login name in, and whether sshd is likely to. */
function login(lane: Lane, { settings }: HostFacts): readonly Finding[] {
  if ('refused' in settings) return [];
  const user = settings.first('user');
  const { logins, principals } = lane;
  if (!logins.includes('*') && !logins.includes(user)) {
    return [
      finding(
        'problem',
        'lane.login',
        `lane ${lane.id} lets nobody log in as ${user}, only as ${logins.join(', ')}`,
        {
          from: lane.source,
          todo: `ssh ${logins[0] ?? 'USER'}@…, or "User" in ssh_config; or add ${user} to the lane's logins`,
        },
      ),
    ];
  }
  if (principals.includes(user)) return [ok('lane.login', `it allows to log in as ${user}`, lane.source)];
  return [
    finding(
      'note',
      'lane.principals',
      `its certificates carry ${principals.join(', ')}, not ${user}: the host must map them (AuthorizedPrincipalsFile)`,
      {
        from: lane.source,
        todo: 'whether it does, a login shows: warden doctor HOST --login',
      },
    ),
  ];
}
