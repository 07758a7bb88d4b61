/**
 * What hosts say, asked over ssh with warden's own certificates: one ssh for each host, which reads and changes nothing. What to read is
 * what `sshd -T` names there. Left out: Match blocks of sshd_config, which `sshd -T` without a connection does not apply, and
 * AuthorizedPrincipalsFile other than DIRECTORY/%u.
 */
import { basename } from 'node:path';
import { splitPort } from '../catalog/pattern.ts';
import { asWardenError } from '../errors.ts';
import { type Ran, runProgram } from '../system/run-program.ts';
import { type HostFacts, keyFingerprints, principalsIn, sshdSettings, unseenHost } from './host-facts.ts';

/** For one host, from the connection to the last line. */
const DEADLINE_MS = 20_000;
const CONNECT_TIMEOUT_S = 10;
/** ssh processes at a time: each wants a certificate, and the person's own logins go on. */
const AT_ONCE = 8;

const NO_SETTINGS = 'sshd -T can’t be run by that login: --login root, or --sudo where sudo -n may';

export interface OverSsh {
  /** The agent's socket. */
  readonly socket: string;
  /** Undefined: whom ssh's configuration says. */
  readonly login: string | undefined;
  /** Read by `sudo -n`: only root may ask `sshd -T`. */
  readonly sudo: boolean;
  readonly env: NodeJS.ProcessEnv;
}

/** For `sh -s`, whatever the login's shell is. A letter begins each line: T `sshd -T`, C a CA, F a file, P its lines, U what can't be seen. */
function script(sudo: boolean): string {
  return `PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
as='${sudo ? 'sudo -n' : ''}'
lines() { printf '%s\\n' "$2" | sed "s/^/$1 /"; }
config=$($as sshd -T 2>/dev/null) || config=
lines T "$config"
value() { printf '%s\\n' "$config" | sed -n "s/^$1 //p" | head -n 1; }
cas=$(value trustedusercakeys)
case $cas in
'' | none) ;;
*) if text=$($as cat "$cas" 2>/dev/null); then lines C "$text"; else echo "U TrustedUserCAKeys $cas can't be read"; fi ;;
esac
users=$(value authorizedprincipalsfile)
case $users in
'') directory=/etc/ssh/auth_principals ;;
none) directory= ;;
*/%u) directory=\${users%/%u} ;;
*) directory= ; echo "U AuthorizedPrincipalsFile is $users: not looked at" ;;
esac
if [ -n "$directory" ] && $as test -e "$directory"; then
  names=$($as ls "$directory" 2>/dev/null) || echo "U $directory can't be read"
  printf '%s\\n' "$names" | while IFS= read -r name; do
    [ -n "$name" ] || continue
    if text=$($as cat "$directory/$name" 2>/dev/null); then echo "F $directory/$name"; lines P "$text"; else echo "U $directory/$name can't be read"; fi
  done
fi
echo END
`;
}

/** What ssh has printed, as facts. Exported for the parser's own tests. */
export function readAnswer(host: string, { code, stdout, stderr, failure }: Ran): HostFacts {
  const source = `ssh ${host}`;
  const answer = stdout.split(/\r?\n/);
  if (code !== 0 || !answer.includes('END')) {
    const last = stderr.trim().split(/\r?\n/).at(-1) ?? '';
    const inTime = `no answer within ${DEADLINE_MS / 1000} s`;
    const why =
      failure === 'ETIMEDOUT' ? inTime : last || failure || 'what answers there is no shell of ours';
    return unseenHost(host, source, why);
  }
  const after = (letter: string) =>
    answer.flatMap((line) => (line.startsWith(`${letter} `) ? [line.slice(2)] : []));
  const unseen = after('U');
  const settings = after('T').filter((line) => line.trim() !== '');
  if (settings.length === 0) {
    // Where its files are is then a guess, and none there means nothing.
    if (after('F').length === 0) return unseenHost(host, source, NO_SETTINGS);
    unseen.push(NO_SETTINGS);
  }
  let cas: readonly string[] | undefined;
  try {
    cas = after('C').length === 0 ? undefined : keyFingerprints(after('C'));
  } catch (thrown) {
    unseen.push(`TrustedUserCAKeys: ${asWardenError(thrown).message}`);
  }
  const files: { readonly path: string; readonly lines: string[] }[] = [];
  for (const line of answer) {
    if (line.startsWith('F ')) files.push({ path: line.slice(2), lines: [] });
    else if (line.startsWith('P ')) files.at(-1)?.lines.push(line.slice(2));
  }
  return {
    host,
    source,
    sshd: settings.length === 0 ? undefined : sshdSettings(settings),
    cas,
    unseen,
    principals: files.flatMap(({ path, lines }) => principalsIn(lines, basename(path), `${source}:${path}`)),
  };
}

async function ask(named: string, { socket, login, sudo, env }: OverSsh): Promise<HostFacts> {
  const split = splitPort(named);
  if (split === undefined) return unseenHost(named, `ssh ${named}`, 'the port must be 1 to 65535');
  const { host, port } = split;
  const settings = [
    // As `warden access`: the path goes through the environment, so that no character in it means anything to ssh.
    'IdentityAgent=SSH_AUTH_SOCK',
    'IdentitiesOnly=no',
    'BatchMode=yes',
    'ControlPath=none',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'PermitLocalCommand=no',
    `ConnectTimeout=${CONNECT_TIMEOUT_S}`,
    ...(port === undefined ? [] : [`Port=${port}`]),
    ...(login === undefined ? [] : [`User=${login}`]),
  ];
  const args = ['-T', ...settings.flatMap((setting) => ['-o', setting]), '--', host, 'sh -s'];
  const options = { env: { ...env, SSH_AUTH_SOCK: socket }, deadlineMs: DEADLINE_MS, input: script(sudo) };
  return readAnswer(named, await runProgram('ssh', args, options));
}

/** Asks each host once, a few at a time; in their order. Never throws: who does not answer can't be seen. */
export async function hostsOverSsh(
  hosts: readonly string[],
  options: OverSsh,
): Promise<readonly HostFacts[]> {
  const found = new Map<string, HostFacts>();
  const left = [...new Set(hosts)];
  const worker = async () => {
    for (let host = left.shift(); host !== undefined; host = left.shift())
      found.set(host, await ask(host, options));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return [...new Set(hosts)].flatMap((host) => found.get(host) ?? []);
}
