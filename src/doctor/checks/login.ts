/** What a real login has shown (`--login`), and what the daemon refused before. */
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { HostFacts } from '../host-facts.ts';
import type { Attempt } from '../login-attempt.ts';

export function checkLogin({
  host,
  login,
  refusals,
  openbao,
}: Pick<Facts, 'host' | 'login' | 'refusals' | 'openbao'>): readonly Finding[] {
  if (host === undefined) return [];
  const [last] = refusals;
  const noted =
    last === undefined
      ? []
      : [
          finding(
            'note',
            'login.last_refusal',
            `the agent refused the last login there: ${last.message} (${last.code}, ${last.time})`,
            { from: 'warden why', todo: last.hint },
          ),
        ];
  if (login === undefined) return noted;
  const ca = openbao !== undefined && 'pinned' in openbao ? openbao.pinned.join(', ') : '';
  const [refused] = login.refusals;
  const first =
    refused === undefined
      ? outcome(login.asTyped, host, ca)
      : [
          finding(
            'problem',
            'login.no_certificate',
            `the login got no certificate: ${refused.message} (${refused.code})`,
            { from: 'ssh -v', todo: refused.hint },
          ),
        ];
  return [...first, ...staticKey(login.withoutWarden)];
}

function outcome(attempt: Attempt, host: HostFacts, ca: string): Finding[] {
  const from = 'ssh -v';
  if (attempt.authenticated && attempt.accepted?.includes('-CERT ')) {
    const terminal = attempt.refusedTerminal
      ? [
          finding(
            'warning',
            'login.no_terminal',
            'the host gives no terminal: the certificate has no permit-pty, or sshd has PermitTTY no',
            { from, todo: 'permit-pty in the role or the lane' },
          ),
        ]
      : [];
    return [
      ok('login.certificate', `a login with a certificate works: ${attempt.accepted}`, from),
      ...terminal,
    ];
  }
  if (attempt.authenticated) {
    return [
      finding(
        'problem',
        'login.other_key',
        `the login worked, but not with a certificate: ${attempt.accepted ?? 'no key was asked for'}`,
        {
          from,
          todo: 'see the findings above; take the key out of authorized_keys on the host once certificates work',
        },
      ),
    ];
  }
  if (attempt.offeredCertificate) return [refusedCertificate(host, ca)];
  return [
    finding('problem', 'login.failed', `no login: ${attempt.lastLine}`, {
      from,
      todo: 'see the findings above; nothing reached the point where sshd sees a certificate',
    }),
  ];
}

/** sshd does not say why. The likelier reason stands first. */
function refusedCertificate({ settings, byName, keys }: HostFacts, ca: string): Finding {
  const from = 'ssh -v';
  const user = 'refused' in settings ? '' : settings.first('user');
  const lane =
    keys.flatMap(({ choice }) => ('lane' in choice ? [choice.lane] : []))[0] ??
    byName.flatMap(({ match }) => (match.kind === 'lane' ? [match.lane] : []))[0];
  const principals = lane?.principals ?? [];
  const mapping = `AuthorizedPrincipalsFile of ${user}`;
  if (!principals.includes(user)) {
    return finding(
      'problem',
      'login.principal',
      `the host refuses the certificate: it carries ${principals.join(', ')}, and sshd takes none of them for ${user}`,
      {
        from,
        todo: `log in as one of them, or have the host's administrator put one into the ${mapping}; if that is so already, its sshd does not trust the CA`,
      },
    );
  }
  return finding(
    'problem',
    'login.ca',
    `the host refuses the certificate: its sshd does not trust the CA${ca === '' ? '' : ` ${ca}`}`,
    {
      from,
      todo: `on the host: TrustedUserCAKeys in sshd_config, and reload; if that is so already, the ${mapping} lacks ${principals.join(', ')}; its log says which (LogLevel VERBOSE)`,
    },
  );
}

function staticKey(attempt: Attempt | undefined): Finding[] {
  if (attempt === undefined) return [];
  const from = 'ssh -v without warden';
  if (!attempt.authenticated)
    return [ok('login.no_static_key', 'no key without a certificate opens this host', from)];
  return [
    finding(
      'warning',
      'login.static_key',
      `a static key still logs in: ${attempt.accepted ?? 'without any key'}`,
      {
        from,
        todo: 'take it out of authorized_keys on the host: while it is there, a login needs no certificate and leaves no record here',
      },
    ),
  ];
}
