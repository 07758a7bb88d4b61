/** OpenBao: is it there, is the time right, is the mount an SSH engine with the CA that was expected? */
import { SKEW_ALLOWANCE_S } from '../../issuance/check.ts';
import { fingerprint, type PublicKey, parsePublicKey, parsePublicKeyLine } from '../../ssh/public-key.ts';
import type { Facts } from '../facts.ts';
import { type Finding, finding, ok } from '../finding.ts';
import { type OpenBaoFacts, serves } from '../openbao-facts.ts';
import { role, UNSEAL } from './nodes.ts';

const BY_CODE: Readonly<Record<string, string>> = {
  bao_unreachable: 'unreachable',
  bao_timeout: 'silent',
  bao_sealed: 'sealed',
};

export function checkOpenBao({ openbao, config }: Pick<Facts, 'openbao' | 'config'>): readonly Finding[] {
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
  if (!serves(health)) {
    const state = health.initialized ? 'sealed' : 'not initialized';
    return [
      finding('problem', 'bao.sealed', `OpenBao at ${health.address} is ${state}`, {
        from: from('addr'),
        todo: UNSEAL,
      }),
    ];
  }
  return [
    ok(
      'bao.reachable',
      `OpenBao ${health.version} answers at ${health.address}${role(health.standby)}`,
      from('addr'),
    ),
    ...clock(openbao),
    ...mount(openbao, config.openbao.mount, from('mount')),
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
  // A namespace that is none is that check's to say.
  if ('message' in caKeys && /namespace not found/i.test(caKeys.message)) return [];
  if ('message' in caKeys)
    return [finding('problem', 'bao.mount', caKeys.message, { from, todo: caKeys.hint })];
  const keys = caKeys.flatMap((line) => {
    try {
      const { blob } = parsePublicKeyLine(line);
      return [{ print: fingerprint(blob), ...parsePublicKey(blob) }];
    } catch {
      return [];
    }
  });
  const prints = keys.map(({ print }) => print);
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
  return [ok('bao.ca', `the CA at ${path}/ is ${prints.join(', ')}`, from), ...slow(keys, from)];
}

/** Measured on 2.7.2, two cores: 11 to 12.5 ms of CPU with RSA of 4096 bits, which is OpenBao's default, and 0.65 to 0.93 with ed25519. */
function slow(keys: readonly Pick<PublicKey, 'type' | 'bits'>[], from: string): Finding[] {
  const rsa = keys.find(({ type }) => type === 'ssh-rsa');
  if (rsa === undefined) return [];
  const what = `the CA is an RSA key of ${rsa.bits} bits: with 4096 a certificate costs OpenBao about 12 ms of CPU, with ed25519 less than 1`;
  const todo =
    'where many log in at once: a second issuer of ed25519 in the mount, which the hosts are told of before it signs';
  return [finding('note', 'bao.rsa_ca', what, { from, todo })];
}
