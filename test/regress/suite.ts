/**
 * OpenSSH's regression suite as Debian packs it (openssh-tests), one script at a time, with ./ssh-agent in the place of ssh-agent(1).
 * As the package's own run-tests and its Makefile's t-exec do it, but without make, without sudo, and each script in a copy of its own.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Environment, type Result, start } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';

const SUITE = '/usr/lib/openssh/regress';
export const SHIM = fileURLToPath(new URL('ssh-agent', import.meta.url));
const DEADLINE_MS = 200_000;
/** The suite's own logs, which say more than its output. */
const LOGS = ['failed-regress.log', 'failed-ssh.log', 'failed-sshd.log', 'agent.log'];
const LOG_TAIL = 4_000;

/** Why the suite can't be run; undefined where it can. For `context.skip(reason)`. With `WARDEN_REQUIRE_REAL=1` throws. */
export function suiteMissing(): string | undefined {
  if (existsSync(join(SUITE, 'test-exec.sh'))) return undefined;
  const reason = `no ${SUITE}: install the Debian package openssh-tests`;
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(reason);
  return reason;
}

/** What ./ssh-agent and the suite find in their environment. `directory` takes their temporary files. */
export function suiteEnvironment(directory: string): Environment {
  const path = [dirname(process.execPath), process.env['PATH'] ?? '', '/usr/sbin', '/sbin'];
  return { PATH: path.join(delimiter), TMPDIR: directory, LC_ALL: undefined };
}

export interface SuiteResult {
  readonly code: Result['code'];
  /** What the script printed, and after a failure the end of each log. */
  readonly output: string;
  /** Connections that warden accepted and opened to the real agent: counted in its process by ./count-connections.mjs. */
  readonly accepted: number;
  readonly opened: number;
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/**
 * Removes the sockets of forwarded agents whose sshd has ended: the suite's sshd is killed by its ssh before it removes them itself,
 * some 90 times in agent-restrict, whichever agent is there. Their place is fixed (`session.c: auth_input_request_forwarding`).
 */
function removeForwardedSockets(): void {
  for (const name of readdirSync('/tmp').filter((each) => /^ssh-\w{10}$/.test(each))) {
    const directory = join('/tmp', name);
    try {
      const [socket = '', ...others] = readdirSync(directory);
      const pid = /^agent\.(\d+)$/.exec(socket)?.[1];
      if (pid !== undefined && others.length === 0 && !existsSync(`/proc/${pid}`))
        rmSync(directory, { recursive: true });
    } catch {
      // Another user's, or removed by another script's end.
    }
  }
}

/** Runs one script, such as `agent-restrict`, to its end. With `broken` warden is killed as soon as it serves. */
export async function runScript(name: string, options: { broken?: boolean } = {}): Promise<SuiteResult> {
  if (!existsSync(resolve('dist/agent.mjs'))) throw new Error('dist/agent.mjs is missing: npm run build');
  // sshd wants it, and only its service's start would make it.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const directory = tempDirectory();
  const obj = directory.join('regress');
  const count = directory.join('count');
  cpSync(SUITE, obj, { recursive: true, filter: (path) => !path.endsWith('/unittests') });
  // agent-restrict has its socket in there.
  chmodSync(obj, 0o700);
  const child = start('sh', ['test-exec.sh', obj, join(obj, `${name}.sh`)], {
    cwd: obj,
    stdin: '',
    deadline: DEADLINE_MS,
    env: {
      ...suiteEnvironment(directory.path),
      BUILDDIR: obj,
      TEST_SHELL: 'sh',
      TEST_SSH_SSH: 'ssh',
      TEST_SSH_SFTPSERVER: '/usr/lib/openssh/sftp-server',
      TEST_SSH_SSHAGENT: SHIM,
      TEST_SSH_UNSAFE_PERMISSIONS: '1',
      // A shell below another shell: bash as a login shell would run all of the user's .bashrc for each command. LC_ALL is what
      // agent-restrict adds itself: sshd takes the first SetEnv only.
      TEST_SSH_SSHD_CONFOPTS: 'SetEnv SHLVL=1 LC_ALL=C',
      WARDEN_REGRESS_COUNT: count,
      WARDEN_REGRESS_BROKEN: options.broken ? '1' : undefined,
    },
  });
  const { code, stdout, stderr, timedOut } = await child.ended;
  // Agents that a failed script left behind.
  await child.stop();
  const logs = LOGS.map((log) => [log, readText(join(obj, log))] as const).filter(([, text]) => text !== '');
  const tails = logs.map(([log, text]) => `== ${log}\n${text.slice(-LOG_TAIL)}`);
  const ending = timedOut ? [`past its deadline of ${DEADLINE_MS} ms`] : [];
  const lines = readText(count).split('\n');
  directory.remove();
  removeForwardedSockets();
  return {
    code,
    output: [stdout, stderr, ...ending, ...(code === 0 ? [] : tails)].join('\n'),
    accepted: lines.filter((line) => line === 'accepted').length,
    opened: lines.filter((line) => line === 'opened').length,
  };
}
