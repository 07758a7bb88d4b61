/**
 * The program that OpenBao's command line keeps its token with (OpenBao's docs, "Token helper"): run as `HELPER get`, it prints the token
 * and nothing else; nothing printed is no token. Its environment is an allow-list: it needs a home and a language, not warden's secrets.
 */
import { execFile } from 'node:child_process';
import { errnoOf, WardenError } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { MAX_SECRET_BYTES } from './secret-file.ts';

const MAX_WAIT_MS = 5_000;
const ENVIRONMENT = [
  'HOME',
  'PATH',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
];

/** What it prints, or undefined where it has no token. Throws `no_token` where it fails or takes too long. */
export function tokenFromHelper(
  program: string,
  env: NodeJS.ProcessEnv,
  deadlineMs: number,
): Promise<string | undefined> {
  const allowed = ENVIRONMENT.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const options = {
    env: Object.fromEntries(allowed),
    // execFile refuses a fraction.
    timeout: Math.max(1, Math.ceil(Math.min(deadlineMs, MAX_WAIT_MS))),
    killSignal: 'SIGKILL' as const,
    maxBuffer: MAX_SECRET_BYTES,
  };
  return new Promise((resolve, reject) => {
    const child = execFile(program, ['get'], options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout.trim() === '' ? undefined : stdout);
      const why =
        error.killed === true ? 'no answer in time' : errnoOf(error) || `exit ${error.code ?? error.signal}`;
      // What it printed may be the token: only what it says of a failure is repeated.
      const said = sanitizeLine(stderr.trim().split('\n').at(-1) ?? '');
      reject(
        new WardenError(
          'no_token',
          `the token helper ${program} failed: ${why}${said === '' ? '' : `: ${said}`}`,
          {
            hint: `try it yourself: ${program} get`,
          },
        ),
      );
    });
    child.stdin?.end();
  });
}
