/**
 * Clients in Python for tests: asyncssh (from PyPI, in the cache that `.ci/run` fills), and a hostile client that needs nothing but ssh.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { PYTHON, type Result, run } from './process.ts';

export const ASYNCSSH_VERSION = '2.24.1';

function script(name: string): string {
  return fileURLToPath(new URL(`python/${name}.py`, import.meta.url));
}

/** The python of the environment that holds asyncssh: `$WARDEN_TEST_ASYNCSSH`, else the cache's; undefined where there is none. */
export function asyncsshPython(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const cached = join(cache, 'warden-openbao', `asyncssh-${ASYNCSSH_VERSION}`, 'bin', 'python');
  const python = process.env['WARDEN_TEST_ASYNCSSH'] ?? cached;
  return existsSync(python) ? python : undefined;
}

/** Why there is no asyncssh; undefined where there is. For `ctx.skip(reason)`. With `WARDEN_REQUIRE_REAL=1` throws. */
export function asyncsshMissing(): string | undefined {
  if (asyncsshPython() !== undefined) return undefined;
  const reason = `no asyncssh ${ASYNCSSH_VERSION}: run .ci/run, or set WARDEN_TEST_ASYNCSSH to a python that has it`;
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(reason);
  return reason;
}

export interface AsyncsshOptions {
  readonly port: number;
  readonly user: string;
  readonly knownHosts: string;
  /** A shell's command line on the far side. */
  readonly command: string;
  /** The socket of the agent to log in with, and the private key file; at least one. */
  readonly agent?: string;
  readonly key?: string;
  /** The socket of the agent to forward, which need not be the one of the login. */
  readonly forward?: string;
  readonly deadline?: number;
}

function flag(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [name, `${value}`];
}

/** Logs in with asyncssh and runs the command; its exit code, or 255 where there was no login. Throws where there is no asyncssh. */
export function asyncsshLogin(options: AsyncsshOptions): Promise<Result> {
  const python = asyncsshPython();
  if (python === undefined) throw new Error('no asyncssh: guard the test with asyncsshMissing()');
  const { port, user, knownHosts, command, agent, key, forward, deadline = 30_000 } = options;
  const where = ['--port', `${port}`, '--user', user, '--known-hosts', knownHosts];
  const who = [...flag('--agent', agent), ...flag('--key', key), ...flag('--forward', forward)];
  return run(python, [script('asyncssh_login'), ...where, ...who, command], { deadline });
}

export interface HostileOptions {
  /** The destination to bind to. */
  readonly port: number;
  readonly host?: string;
  readonly user?: string;
  /** The agent's socket; default: the SSH_AUTH_SOCK of wherever the command runs. */
  readonly agent?: string;
  /** Sets is_forwarding in the bind. */
  readonly forwarded?: boolean;
  readonly noBind?: boolean;
}

/** What the hostile client prints: the types of the agent's answers (null: none), and the identities that it was shown. */
const HostileAnswer = z.strictObject({
  bind: z.number().nullable(),
  list: z.number().nullable(),
  identities: z.array(
    z.strictObject({
      blob: z.string().transform((text) => Buffer.from(text, 'base64')),
      comment: z.string(),
    }),
  ),
  ssh: z.number(),
});
export type HostileAnswer = z.infer<typeof HostileAnswer>;

/** Reads the last line of what the hostile client has printed. Throws where it is not its answer. */
export function parseHostileAnswer(stdout: string): HostileAnswer {
  return HostileAnswer.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
}

/** The argv of the hostile client, to run here or as a remote command on this same machine. */
export function hostileClientArgv(options: HostileOptions): string[] {
  const where = [
    '--port',
    `${options.port}`,
    ...flag('--host', options.host),
    ...flag('--user', options.user),
  ];
  const how = [...(options.forwarded ? ['--forwarded'] : []), ...(options.noBind ? ['--no-bind'] : [])];
  return [PYTHON, script('hostile_client'), ...where, ...flag('--agent', options.agent), ...how];
}
