/** What ssh_config says of the host, where it stands in the way (ssh_config(5); `ssh -G`). */
import { matchLane } from '../../catalog/choose.ts';
import { lowerCase } from '../../destination/host-name.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { HostFacts } from '../host-facts.ts';
import type { SshSettings } from '../ssh-program.ts';

const CERTIFICATE_ALGORITHM = 'ssh-ed25519-cert-v01@openssh.com';

export function checkSshSettings({ host, config }: Pick<Facts, 'host' | 'config'>): readonly Finding[] {
  if (host === undefined) return [];
  const { settings, caller, typed } = host;
  const from = `ssh -G ${typed}`;
  if ('refused' in settings)
    return [
      finding('problem', 'ssh.refuses', `ssh itself fails: ${settings.refused}`, {
        from,
        todo: 'correct its configuration',
      }),
    ];
  if (!('told' in caller))
    return [finding('problem', 'ssh.not_followed', caller.message, { from, todo: caller.hint })];
  const found = [...offers(settings, from), ...undecided(host, from)];
  const lanes = 'lanes' in config ? config.lanes : [];
  const jump = settings.first('proxyjump');
  if (jump !== '' && jump !== 'none') {
    const what = `it goes through ${jump}, which is a login of its own: a lane for it needs permit-port-forwarding`;
    found.push(finding('note', 'ssh.jump', what, { from, todo: `warden doctor ${jump}` }));
  }
  found.push(...alias(host, settings, from, matchLane(lanes, lowerCase(typed)).kind !== 'none'));
  const where = `${settings.first('hostname')}, port ${settings.first('port')}, as ${settings.first('user')}`;
  return [ok('ssh.settings', `ssh goes to ${where}`, from), ...found];
}

/** What keeps ssh from offering a certificate that an agent holds. */
function offers(settings: SshSettings, from: string): Finding[] {
  const found: Finding[] = [];
  if (settings.first('identitiesonly') === 'yes') {
    found.push(
      finding(
        'problem',
        'ssh.identities_only',
        'IdentitiesOnly yes: ssh offers only the keys of its IdentityFiles, and never a certificate that an agent made',
        {
          from,
          todo: 'set "IdentitiesOnly no" for this host before that line, or: warden access HOST, which does',
        },
      ),
    );
  }
  if (/^(no|false)$/.test(settings.first('pubkeyauthentication')))
    found.push(
      finding('problem', 'ssh.no_publickey', 'PubkeyAuthentication no: ssh uses no keys at all', {
        from,
        todo: 'remove that line for this host',
      }),
    );
  const algorithms = settings.first('pubkeyacceptedalgorithms');
  if (algorithms !== '' && !algorithms.split(',').includes(CERTIFICATE_ALGORITHM)) {
    found.push(
      finding(
        'problem',
        'ssh.no_certificates',
        `PubkeyAcceptedAlgorithms leaves out ${CERTIFICATE_ALGORITHM}`,
        { from, todo: 'add it for this host' },
      ),
    );
  }
  return found;
}

function undecided({ caller, typed }: HostFacts, from: string): Finding[] {
  if (!('told' in caller) || caller.told.length > 0) return [];
  return [
    finding(
      'problem',
      'ssh.undecided',
      `the ssh configuration leaves open where ${typed} goes: warden runs no "Match exec" to find out`,
      {
        from,
        todo: 'set HostKeyAlias for the host before the Match block that sets HostName or Port',
      },
    ),
  ];
}

/** An alias proves nothing: ssh looks the host up under the name that it leads to. */
function alias(
  { typed, lookups }: HostFacts,
  settings: SshSettings,
  from: string,
  covered: boolean,
): Finding[] {
  const name = lowerCase(typed);
  const [real] = lookups;
  if (
    real === undefined ||
    lookups.some((lookup) => lookup === name || lookup === `[${name}]:${settings.first('port')}`)
  )
    return [];
  const what = `${typed} is an alias: ssh looks the host up as ${lookups.join(' or ')}`;
  if (!covered) return [finding('note', 'ssh.alias', what, { from })];
  return [
    finding(
      'warning',
      'ssh.alias',
      `${what}, and it is that name which a lane must cover; the lane that has ${typed} is not asked for it`,
      {
        from,
        todo: `put ${real} into the lane's hosts, or "HostKeyAlias ${typed}" into ssh_config and known_hosts`,
      },
    ),
  ];
}
