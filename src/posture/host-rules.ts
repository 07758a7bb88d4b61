/**
 * What a host's sshd should be told where people log in by short certificates: the effective settings, for each user (sshd_config(5)), and the
 * files behind them. Rules: `../shared/notes/audit-and-policy.md`, "Posture"; what sshd itself refuses is not asked again.
 */
import { judge, type Posture, type Rule, type Seen } from './finding.ts';
import type { FileState, SavedHost, SavedSettings } from './saved-host.ts';

const SAVE = 'save it as root with scripts/host-facts';
const NAME_CA = 'name our CA: openbao.ssh_ca (bao read -field=public_key ssh/config/ca | ssh-keygen -lf -)';
/** Seconds. A certificate of minutes begins 30 s early; past a minute it begins too late, or lives too long. */
const MAX_SKEW_S = 60;
const OTHERS_MAY_WRITE = 0o022;
/** sshd_config(5), Match: criteria that `sshd -T -C user=…` says nothing of. */
const UNASKED = /\s(?:host|localaddress|localport|version|rdomain|address)[\s=]/i;

interface SettingRule extends Rule {
  readonly keys: readonly string[];
  readonly good: (value: string) => boolean;
  /** Whether an sshd that does not print the key is good: it was built without the feature. */
  readonly optional?: true;
}

const is =
  (...values: readonly string[]) =>
  (value: string) =>
    values.includes(value.toLowerCase());

function setting(
  id: string,
  level: Rule['level'],
  key: string | readonly string[],
  good: SettingRule['good'],
  expected: string,
  todo = `in sshd_config: ${expected}`,
): SettingRule {
  return { id, level, keys: typeof key === 'string' ? [key] : key, good, expected, todo };
}

const SETTINGS: readonly SettingRule[] = [
  setting('host.pubkey', 'high', 'pubkeyauthentication', is('yes'), 'PubkeyAuthentication yes'),
  setting('host.authorized_keys', 'high', 'authorizedkeysfile', is('none'), 'AuthorizedKeysFile none'),
  setting(
    'host.authorized_keys_command',
    'high',
    'authorizedkeyscommand',
    is('none'),
    'AuthorizedKeysCommand none',
  ),
  setting('host.passwords', 'high', 'passwordauthentication', is('no'), 'PasswordAuthentication no'),
  setting(
    'host.keyboard',
    'high',
    'kbdinteractiveauthentication',
    is('no'),
    'KbdInteractiveAuthentication no',
  ),
  setting('host.empty_passwords', 'critical', 'permitemptypasswords', is('no'), 'PermitEmptyPasswords no'),
  setting('host.hostbased', 'high', 'hostbasedauthentication', is('no'), 'HostbasedAuthentication no'),
  {
    ...setting(
      'host.kerberos',
      'medium',
      ['gssapiauthentication', 'kerberosauthentication'],
      is('no'),
      'GSSAPIAuthentication no, KerberosAuthentication no',
    ),
    optional: true,
  },
  setting(
    'host.root',
    'medium',
    'permitrootlogin',
    (value) => !is('yes')(value),
    'PermitRootLogin prohibit-password',
  ),
  setting(
    'host.principals_file',
    'low',
    'authorizedprincipalsfile',
    (value) => value !== 'none',
    'AuthorizedPrincipalsFile /etc/ssh/auth_principals/%u',
  ),
  setting(
    'host.principals_command',
    'medium',
    'authorizedprincipalscommand',
    is('none'),
    'AuthorizedPrincipalsCommand none',
  ),
  setting(
    'host.log_level',
    'medium',
    'loglevel',
    (value) => /^(VERBOSE|DEBUG[123]?)$/i.test(value),
    'LogLevel VERBOSE',
  ),
  setting(
    'host.revoked_keys',
    'low',
    'revokedkeys',
    (value) => value !== 'none',
    'RevokedKeys /etc/ssh/revoked_keys',
    'name a KRL in RevokedKeys: warden revoke writes its lines; put the file there first',
  ),
  setting('host.strict_modes', 'high', 'strictmodes', is('yes'), 'StrictModes yes'),
  setting(
    'host.ca_algorithms',
    'high',
    'casignaturealgorithms',
    (value) => !value.split(',').some((name) => name === 'ssh-rsa' || name === 'ssh-dss'),
    'CASignatureAlgorithms without ssh-rsa and ssh-dss (SHA-1)',
  ),
  setting('host.user_environment', 'medium', 'permituserenvironment', is('no'), 'PermitUserEnvironment no'),
];

const CA_TRUSTED: Rule = {
  id: 'host.ca_trusted',
  level: 'critical',
  expected: 'TrustedUserCAKeys holds our CA',
  todo: 'put OpenBao’s public key (bao read -field=public_key ssh/config/ca) into the file of TrustedUserCAKeys',
};
const CA_FOREIGN: Rule = {
  id: 'host.ca_foreign',
  level: 'critical',
  expected: 'TrustedUserCAKeys holds no CA but ours',
  todo: 'take the other CA out, or add it to openbao.ssh_ca where it is ours',
};
const CA_FILE: Rule = {
  id: 'host.ca_file',
  level: 'critical',
  expected: 'TrustedUserCAKeys is root’s, and nobody else may write it or a directory above',
  todo: 'chown root and chmod go-w the file and its directories',
};
const PRINCIPALS_OWNER: Rule = {
  id: 'host.principals_owner',
  level: 'critical',
  expected: 'the files of principals are root’s, and nobody else may write them or a directory above',
  todo: 'chown root and chmod go-w the files and their directories; a path in a home directory is the user’s',
};
const REVOKED_READABLE: Rule = {
  id: 'host.revoked_keys_readable',
  level: 'critical',
  expected: 'the file of RevokedKeys is there: without it sshd refuses every key',
  todo: 'make it: ssh-keygen -k -f FILE',
};
const MATCHES: Rule = {
  id: 'host.match',
  level: 'medium',
  expected: 'Match blocks are by user or group: what one sets for an address or host was not asked for',
  todo: 'read the block; write it by user, or waive it with a reason',
};
const CLOCK: Rule = {
  id: 'host.clock',
  level: 'medium',
  expected: `its clock is less than ${MAX_SKEW_S} s off`,
  todo: 'let it keep time: chrony or systemd-timesyncd',
};

/** Where the key stands for nobody in particular. */
function placeOf(settings: readonly SavedSettings[], key: string, source: string): string {
  const [first] = settings;
  const line = first?.sshd.get(key)?.line;
  return first === undefined || line === undefined ? source : `${first.file}:${line}`;
}

/** One rule over the settings for every user; who has what everybody has is not named. */
function bySettings(rule: SettingRule, settings: readonly SavedSettings[], source: string): Seen {
  const unknown: string[] = [];
  const users = new Map<string, string[]>();
  let evidence = placeOf(settings, rule.keys[0] ?? '', source);
  for (const { file, user, sshd } of settings) {
    for (const key of rule.keys) {
      const found = sshd.get(key);
      if (found === undefined && rule.optional !== true) unknown.push(`${file} says nothing of ${key}`);
      if (found === undefined || rule.good(found.value)) continue;
      if (users.size === 0) evidence = `${file}:${found.line}`;
      const what = `${key} ${found.value}`;
      users.set(what, [...(users.get(what) ?? []), user ?? '']);
    }
  }
  const wrong = [...users].map(([what, who]) => (who.includes('') ? what : `${what} for ${who.join(', ')}`));
  return { wrong, unknown, evidence };
}

/** A file that decides who may log in, and what stands above it: as sshd's own safe_path() (misc.c), but nobody's but root's. */
function guarded(files: readonly FileState[], path: string): readonly string[] {
  return files
    .filter((file) => file.path === path || path.startsWith(`${file.path === '/' ? '' : file.path}/`))
    .flatMap(({ path: at, state }) => {
      if (state === undefined) return [`${at} is missing`];
      return [
        ...(state.uid === 0 ? [] : [`${at} belongs to uid ${state.uid}`]),
        ...((state.mode & OTHERS_MAY_WRITE) === 0
          ? []
          : [`${at} may be written by others (mode ${state.mode.toString(8)})`]),
      ];
    });
}

function everyPath(settings: readonly SavedSettings[], key: string): readonly string[] {
  return [...new Set(settings.flatMap(({ sshd }) => sshd.get(key)?.value.split(' ') ?? []))].filter(
    (path) => path !== 'none' && path !== '',
  );
}

/** TrustedUserCAKeys itself: none is no trust, whatever was saved as its content. */
function trust({ settings, cas, source }: SavedHost, pinned: readonly string[]): readonly [Seen, Seen] {
  const evidence = placeOf(settings, 'trustedusercakeys', source);
  const none = settings.length > 0 && everyPath(settings, 'trustedusercakeys').length === 0;
  if (none)
    return [{ wrong: ['TrustedUserCAKeys is none: it takes no certificates'], evidence }, { evidence }];
  if (typeof cas === 'string')
    return [
      { unknown: [cas], evidence },
      { unknown: [cas], evidence },
    ];
  if (pinned.length === 0) {
    const unknown = ['nobody has said which CA is ours (openbao.ssh_ca), and none is pinned'];
    const seen = { unknown, look: NAME_CA, evidence };
    return [seen, seen];
  }
  const foreign = cas.filter((ca) => !pinned.includes(ca)).map((ca) => `it trusts ${ca}, which is not ours`);
  const ours = cas.some((ca) => pinned.includes(ca));
  return [
    { wrong: ours ? [] : ['it does not trust our CA'], evidence },
    { wrong: foreign, evidence },
  ];
}

function byFiles({ settings, files, source }: SavedHost) {
  const evidence = `${source}/files`;
  const judged = (
    paths: readonly string[],
    check: (states: readonly FileState[], path: string) => readonly string[],
  ): Seen => {
    if (paths.length === 0) return { evidence };
    if (typeof files === 'string') return { unknown: [files], evidence };
    const listed = (path: string) => files.some((file) => file.path === path);
    return {
      wrong: [...new Set(paths.flatMap((path) => check(files, path)))],
      unknown: paths.filter((path) => !listed(path)).map((path) => `files says nothing of ${path}`),
      evidence,
    };
  };
  const patterns = everyPath(settings, 'authorizedprincipalsfile');
  // Relative ones are below the user's home, which is the user's.
  const own = patterns.filter((path) => !path.startsWith('/')).map((path) => `${path} is in the user’s home`);
  const fixed = patterns
    .filter((path) => path.startsWith('/'))
    .map((path) => path.replace(/\/[^/]*%.*$/, ''));
  const users =
    typeof files === 'string'
      ? []
      : files.flatMap(({ path }) =>
          fixed.some((directory) => path.startsWith(`${directory}/`)) ? [path] : [],
        );
  const principals = judged([...fixed, ...users], guarded);
  return {
    ca: judged(everyPath(settings, 'trustedusercakeys'), guarded),
    principals: { ...principals, wrong: [...own, ...(principals.wrong ?? [])] },
    revoked: judged(everyPath(settings, 'revokedkeys'), (states, path) =>
      states.some((file) => file.path === path && file.state === undefined) ? [`${path} is missing`] : [],
    ),
  };
}

/** Judges one host. `pinned`: fingerprints of the CAs that sign for us; none: not known. */
export function hostPosture(saved: SavedHost, pinned: readonly string[]): readonly Posture[] {
  const { host, source, settings, unseen, skewSeconds } = saved;
  const subject = `host ${host}`;
  const because = (seen: Seen): Seen => ({
    look: SAVE,
    ...seen,
    unknown: [...unseen, ...(seen.unknown ?? [])],
  });
  const [trusted, foreign] = trust(saved, pinned);
  const { ca, principals, revoked } = byFiles(saved);
  const { matches } = saved;
  const unasked = typeof matches === 'string' ? [] : matches.filter((line) => UNASKED.test(line));
  const match: Seen = {
    wrong: unasked.map((line) => line.replace(/^.*:\d+:\s*/, '')),
    unknown: typeof matches === 'string' ? [matches] : [],
    look: SAVE,
    evidence: unasked[0]?.replace(/^(.*:\d+):.*$/, '$1') ?? `${source}/matches`,
  };
  const clock: Seen = {
    wrong:
      typeof skewSeconds === 'number' && Math.abs(skewSeconds) >= MAX_SKEW_S
        ? [`its clock is ${skewSeconds} s off`]
        : [],
    unknown: typeof skewSeconds === 'number' ? [] : [skewSeconds],
    look: SAVE,
    evidence: `${source}/clock`,
  };
  return [
    ...SETTINGS.map((rule) => judge(rule, subject, because(bySettings(rule, settings, source)))),
    judge(CA_TRUSTED, subject, because(trusted)),
    judge(CA_FOREIGN, subject, because(foreign)),
    judge(CA_FILE, subject, because(ca)),
    judge(PRINCIPALS_OWNER, subject, because(principals)),
    judge(REVOKED_READABLE, subject, because(revoked)),
    judge(MATCHES, subject, match),
    judge(CLOCK, subject, clock),
  ];
}
