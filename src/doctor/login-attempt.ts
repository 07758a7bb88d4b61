/**
 * `doctor HOST --login`: what only a login can show. Two attempts with the person's own ssh, each `ssh -v -tt` with BatchMode and the
 * command `true`: one as the person would make it, and one without warden, which shows whether a key that lies about still opens the
 * door. ssh says with -v what it offered and what was taken (sshconnect2.c: send_pubkey_test, input_userauth_pk_ok; ssh.c: "Authenticated
 * to"). sshd never says why it refused a certificate: that is guessed from what the certificate says.
 */
import { type ControlSockets, fetchRefusals } from '../control/client.ts';
import type { Refusal } from '../control/messages.ts';
import { type Ran, runProgram } from '../system/run-program.ts';
import type { HostFacts } from './host-facts.ts';

const DEADLINE_MS = 20_000;
const CONNECT_TIMEOUT_S = 5;

export interface Attempt {
  /** Whether ssh got in, whatever became of the command. */
  readonly authenticated: boolean;
  /** Whether any certificate was shown to sshd. */
  readonly offeredCertificate: boolean;
  /** The key that opened the door, as ssh names it: `comment ED25519-CERT SHA256:… agent`. */
  readonly accepted: string | undefined;
  readonly refusedTerminal: boolean;
  /** ssh's last own line, where it did not get in. */
  readonly lastLine: string;
}

export interface LoginFacts {
  readonly asTyped: Attempt;
  readonly withoutWarden: Attempt | undefined;
  /** Refusals that the daemon has noted during the first attempt. */
  readonly refusals: readonly Refusal[];
}

/** Reads what `ssh -v` has said. */
export function readAttempt({ stderr, failure }: Ran): Attempt {
  const lines = stderr.split(/\r?\n/);
  const after = (prefix: string) =>
    lines.flatMap((line) => (line.startsWith(prefix) ? [line.slice(prefix.length).trim()] : []));
  const own = lines.filter((line) => line.trim() !== '' && !/^(debug\d: |OpenSSH_)/.test(line));
  return {
    authenticated:
      /^(debug1: )?Authenticated to .* using "/m.test(stderr) ||
      /^debug1: Authentication succeeded/m.test(stderr),
    offeredCertificate: after('debug1: Offering public key:').some((key) => key.includes('-CERT ')),
    accepted: after('debug1: Server accepts key:').at(-1),
    refusedTerminal: stderr.includes('PTY allocation request failed'),
    lastLine:
      failure === 'ETIMEDOUT' ? `no end within ${DEADLINE_MS / 1000} s` : (own.at(-1)?.trim() ?? failure),
  };
}

async function attempt(
  words: readonly string[],
  options: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Attempt> {
  const settings = ['BatchMode=yes', `ConnectTimeout=${CONNECT_TIMEOUT_S}`, 'ControlPath=none', ...options];
  const args = ['-v', '-tt', ...settings.flatMap((setting) => ['-o', setting]), ...words, 'true'];
  return readAttempt(await runProgram('ssh', args, { env, deadlineMs: DEADLINE_MS }));
}

/** Tries. `upstream` is the agent behind the daemon: its keys belong to the second attempt. */
export async function attemptLogin(
  host: HostFacts,
  {
    sockets,
    upstream,
    env,
  }: {
    readonly sockets: () => ControlSockets;
    readonly upstream: string | undefined;
    readonly env: NodeJS.ProcessEnv;
  },
): Promise<LoginFacts> {
  const began = new Date().toISOString();
  const asTyped = await attempt(host.words, [], env);
  const noted = await fetchRefusals(sockets(), host.typed).catch(() => []);
  // The path goes through the environment, so that no character in it means anything to ssh.
  const second = { ...env, SSH_AUTH_SOCK: upstream };
  const agent = `IdentityAgent=${upstream === undefined ? 'none' : 'SSH_AUTH_SOCK'}`;
  const reached = asTyped.authenticated || /Permission denied/.test(asTyped.lastLine);
  return {
    asTyped,
    withoutWarden: reached ? await attempt(host.words, [agent], second) : undefined,
    refusals: noted.filter(({ time }) => time >= began),
  };
}
