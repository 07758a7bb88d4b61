/** Is it proved which host this is? Only files of `agent.known_hosts` prove names to the daemon. */
import type { Config } from '../../config/config.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { HostFacts } from '../host-facts.ts';

export function checkKnownHosts({ host, config }: Pick<Facts, 'host' | 'config'>): readonly Finding[] {
  if (host === undefined || !('agent' in config) || host.lookups.length === 0) return [];
  const found = [...revoked(host), ...command(host)];
  if (host.keys.length > 0) {
    const [first] = host.keys;
    const where = host.keys.map(({ line }) => line.source).join(', ');
    return [
      ok('host.known', `the host key of ${host.lookups[0]} is known: ${first?.fingerprint ?? ''}`, where),
      ...found,
    ];
  }
  if (host.caLines.length > 0)
    return [
      ok('host.certified', `a host certificate proves ${host.lookups[0]}`, host.caLines.join(', ')),
      ...found,
    ];
  return [...elsewhere(host, config), ...found];
}

function revoked({ keys }: HostFacts): Finding[] {
  return keys
    .filter(({ destination }) => destination.revoked)
    .map(({ fingerprint, line }) =>
      finding('problem', 'host.revoked', `the host key ${fingerprint} is revoked`, {
        from: line.source,
        todo: 'do not log in; ask who revoked it',
      }),
    );
}

function command({ settings, typed, keys }: HostFacts): Finding[] {
  if ('refused' in settings) return [];
  const value = settings.first('knownhostscommand');
  if (value === '' || value === 'none') return [];
  return [
    finding(
      keys.length > 0 ? 'warning' : 'problem',
      'host.known_hosts_command',
      `KnownHostsCommand gives ssh host keys that warden does not see (${value})`,
      {
        from: `ssh -G ${typed}`,
        todo: 'write its keys into a file of agent.known_hosts, or pin them in the lane: host_keys and the exact name in hosts',
      },
    ),
  ];
}

/** The daemon's files do not know the host: do ssh's, or will they? */
function elsewhere(host: HostFacts, { agent }: Config): Finding[] {
  const { lookups, settings, typed, byName, userFiles, knownElsewhere } = host;
  const name = lookups[0] ?? typed;
  const from = `ssh -G ${typed}: UserKnownHostsFile`;
  const add = `add the file to agent.known_hosts (now: ${agent.knownHosts.join(', ') || 'none'})`;
  const problem = (id: string, what: string, todo: string) => [finding('problem', id, what, { from, todo })];
  if (knownElsewhere.length > 0) {
    const what = `ssh knows ${name} from ${knownElsewhere.join(', ')}, which warden does not read`;
    return problem('host.known_elsewhere', what, add);
  }
  if (userFiles.length === 0 && !('refused' in settings)) {
    return problem(
      'host.known_hosts_null',
      `UserKnownHostsFile is no file: ssh remembers no host key, and nothing proves which host ${name} is`,
      'remove that line for this host, or pin the key in the lane: host_keys and the exact name in hosts',
    );
  }
  const [first] = userFiles;
  if (first !== undefined && !agent.knownHosts.includes(first)) {
    const what = `ssh keeps its known hosts in ${first}, which warden does not read`;
    return problem('host.known_elsewhere', what, add);
  }
  const [lane] = byName.flatMap(({ match }) => (match.kind === 'lane' ? [match.lane] : []));
  if (lane !== undefined && lane.hostKeys.length > 0)
    return [ok('host.pinned', `lane ${lane.id} pins host keys`, lane.source)];
  return [
    finding('note', 'host.unknown', `no known_hosts file has ${name} yet: ssh asks about its key first`, {
      from: agent.knownHosts.join(', '),
      todo: 'compare the fingerprint with what the host says, and answer yes: the same login then gets its certificate',
    }),
  ];
}
