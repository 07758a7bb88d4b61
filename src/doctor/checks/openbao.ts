/** OpenBao: is it there, is the time right, is the mount an SSH engine with the CA that was expected, is the token good? */
import type { WardenError } from '../../errors.ts';
import { SKEW_ALLOWANCE_S } from '../../issuance/check.ts';
import { fingerprint, parsePublicKeyLine } from '../../ssh/public-key.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import type { OpenBaoFacts } from '../openbao-facts.ts';

/** A token with less than this is worth a word. */
const SOON_S = 300;
const BY_CODE: Readonly<Record<string, string>> = {
  bao_unreachable: 'unreachable',
  bao_timeout: 'silent',
  bao_sealed: 'sealed',
};

export function checkOpenBao({
  openbao,
  config,
  daemon,
}: Pick<Facts, 'openbao' | 'config' | 'daemon'>): readonly Finding[] {
  if (openbao === undefined || !('openbao' in config)) return [];
  const from = (key: string) => config.origin.get(`openbao.${key}`) ?? '';
  if (!('health' in openbao))
    return [finding('problem', 'bao.unusable', openbao.message, { todo: openbao.hint })];
  const { health } = openbao;
  if (!('address' in health)) {
    return [
      finding('problem', `bao.${BY_CODE[health.code] ?? 'unreachable'}`, health.message, {
        from: from('addr'),
        todo: health.hint,
      }),
    ];
  }
  if (health.sealed || !health.initialized) {
    const state = health.initialized ? 'sealed' : 'not initialized';
    return [
      finding('problem', 'bao.sealed', `OpenBao at ${health.address} is ${state}`, {
        from: from('addr'),
        todo: 'unseal it, or ask its operator to: bao operator unseal',
      }),
    ];
  }
  return [
    ok('bao.reachable', `OpenBao ${health.version} answers at ${health.address}`, from('addr')),
    ...clock(openbao),
    ...mount(openbao, config.openbao.mount, from('mount')),
    ...token(openbao, daemon),
  ];
}

function clock({ skewMs }: OpenBaoFacts): Finding[] {
  if (skewMs === undefined) return [];
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (seconds <= SKEW_ALLOWANCE_S)
    return [ok('bao.clock', "this machine's clock and OpenBao's agree", 'Date')];
  return [
    finding(
      'problem',
      'bao.clock',
      `OpenBao's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this machine's: a host that has the wrong time refuses certificates of minutes`,
      {
        from: "OpenBao's Date header",
        todo: 'set the clock that is wrong: timedatectl, chronyc tracking',
      },
    ),
  ];
}

function mount({ caKeys, pinned }: OpenBaoFacts, path: string, from: string): Finding[] {
  if (caKeys === undefined) return [];
  if ('message' in caKeys)
    return [finding('problem', 'bao.mount', caKeys.message, { from, todo: caKeys.hint })];
  const prints = caKeys.flatMap((line) => {
    try {
      return [fingerprint(parsePublicKeyLine(line).blob)];
    } catch {
      return [];
    }
  });
  const [first] = prints;
  if (first === undefined) {
    return [
      finding('problem', 'bao.no_ca', `the SSH engine at ${path}/ has no CA`, {
        from,
        todo: `bao write ${path}/config/ca generate_signing_key=true key_type=ed25519`,
      }),
    ];
  }
  if (pinned.length > 0 && !prints.some((print) => pinned.includes(print))) {
    return [
      finding(
        'problem',
        'bao.other_ca',
        `the CA at ${path}/ is ${prints.join(', ')}, and expected is ${pinned.join(', ')}`,
        {
          from: 'openbao.ssh_ca, or state_dir/ssh-ca.json',
          todo: 'if it was changed on purpose: set openbao.ssh_ca, or remove ssh-ca.json to learn it anew; and tell the hosts (TrustedUserCAKeys)',
        },
      ),
    ];
  }
  const slow = caKeys.some((line) => line.startsWith('ssh-rsa '));
  return [
    ok('bao.ca', `the CA at ${path}/ is ${prints.join(', ')}`, from),
    ...(slow
      ? [
          finding(
            'note',
            'bao.rsa_ca',
            'it is an RSA key, which costs OpenBao ten times as much for each login as ed25519',
            { from },
          ),
        ]
      : []),
  ];
}

function token({ token: info, credential: from }: OpenBaoFacts, daemon: Facts['daemon']): Finding[] {
  if (info === undefined) return [];
  const agents = 'pid' in daemon ? (daemon.openbao?.credential ?? from) : from;
  if ('message' in info) return [badToken(info, from, agents)];
  const left = info.ttlSeconds === 0 ? 'it does not expire' : `${info.ttlSeconds} s left`;
  const soon = info.ttlSeconds > 0 && info.ttlSeconds < SOON_S;
  const own = soon
    ? finding('warning', 'bao.token_short', `the token of ${info.displayName} ends soon: ${left}`, {
        from,
        todo: 'log in again: bao login',
      })
    : ok('bao.token', `the token is ${info.displayName}'s, ${left}`, from);
  if (agents === from) return [own];
  const what = `the agent has its token from ${agents}; what is said here is of another`;
  return [own, finding('note', 'bao.other_token', what, { from })];
}

/** A bad token here says nothing of one that the agent has from elsewhere. */
function badToken(error: WardenError, from: string, agents: string): Finding {
  if (agents !== from) {
    return finding(
      'unknown',
      'bao.other_token',
      `the agent has its token from ${agents}, which can't be seen here`,
      {
        from,
        todo: 'ask where that is set, or try: warden doctor HOST --login',
      },
    );
  }
  if (error.code !== 'token_expired' && error.code !== 'bao_denied')
    return finding('problem', 'bao.no_token', error.message, { from, todo: error.hint });
  return finding('problem', 'bao.token_expired', 'the token has expired or was revoked', {
    from,
    todo: 'log in again: bao login',
  });
}
