/**
 * Clients in Python for attacks: asyncssh with an agent to forward, and a hostile client that needs nothing but ssh.
 */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type ClientLogin, clientMissing, pythonClient } from './clients.ts';
import { PYTHON, type Result, run } from './process.ts';

/** Why there is no asyncssh; undefined where there is. For `ctx.skip(reason)`. With `WARDEN_REQUIRE_REAL=1` throws. */
export function asyncsshMissing(): string | undefined {
  return clientMissing('asyncssh');
}

export interface AsyncsshOptions extends Omit<ClientLogin, 'agent'> {
  /** The socket of the agent to log in with, and the private key file; at least one. */
  readonly agent?: string;
  readonly key?: string;
  /** The socket of the agent to forward, which need not be the one of the login. */
  readonly forward?: string;
}

function flag(name: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [name, `${value}`];
}

/** Logs in with asyncssh and runs the command; its exit code, or 255 where there was no login. Guard with `asyncsshMissing`. */
export function asyncsshLogin(options: AsyncsshOptions): Promise<Result> {
  const { agent, key, forward, deadline = 30_000 } = options;
  const who = [...flag('--agent', agent), ...flag('--key', key), ...flag('--forward', forward)];
  const [python = '', ...args] = pythonClient('asyncssh', options, who);
  return run(python, args, { deadline });
}

const HOSTILE_CLIENT = fileURLToPath(new URL('python/hostile_client.py', import.meta.url));

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
  return [PYTHON, HOSTILE_CLIENT, ...where, ...flag('--agent', options.agent), ...how];
}
