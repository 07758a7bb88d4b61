/**
 * SSH clients that are not OpenSSH's and send an agent no session-bind: each logs in with what it finds in the agent at SSH_AUTH_SOCK
 * and believes only the host key that it was given. Small programs around the libraries, below `clients/`, which `.ci/run` builds
 * outside of the tree, and PuTTY's plink. Left out: dropbear and Node's ssh2, which can't use an agent's certificate.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';
import { hostName } from './known-hosts.ts';
import { findProgram, type Result, run } from './process.ts';

export interface ClientLogin {
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  readonly user: string;
  /** A file that names the host in clear text. */
  readonly knownHosts: string;
  /** The socket of the agent. */
  readonly agent: string;
  /** A shell's command line on the far side. */
  readonly command: string;
  /** Milliseconds; default 20 s. */
  readonly deadline?: number;
}

interface Client {
  /** Below `clients/`; without it the client is a program of the system. */
  readonly folder?: 'python' | 'go' | 'russh' | 'jsch';
  /** What it is built with or run by and `.ci/run` does not install: a machine without it skips the client. */
  readonly toolchain?: readonly string[];
  argv(login: ClientLogin): readonly string[];
}

/** Where `.ci/run` puts what it makes of a folder: the name holds the digest of its files, so that what was made of others is not used. */
function built(folder: string, ...names: readonly string[]): string {
  const source = fileURLToPath(new URL(`clients/${folder}/`, import.meta.url));
  const digest = createHash('sha256');
  for (const file of readdirSync(source).sort()) digest.update(readFileSync(join(source, file)));
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(cache, 'warden-openbao', `${folder}-${digest.digest('hex').slice(0, 16)}`, ...names);
}

function where({
  host = '127.0.0.1',
  port,
  user,
  knownHosts,
  command,
}: Omit<ClientLogin, 'agent'>): string[] {
  return [host, `${port}`, user, knownHosts, command];
}

/** The command of `clients/python/NAME_login.py`; `options` stand before the five arguments that all clients take. */
export function pythonClient(
  name: string,
  login: Omit<ClientLogin, 'agent'>,
  options: readonly string[] = [],
): string[] {
  const script = fileURLToPath(new URL(`clients/python/${name}_login.py`, import.meta.url));
  return [built('python', 'bin', 'python'), script, ...options, ...where(login)];
}

/** plink reads no known_hosts file: `-hostkey` takes the fingerprints that it may believe. */
function plink(login: ClientLogin): string[] {
  const { host = '127.0.0.1', port, user, knownHosts, command } = login;
  const keys = readFileSync(knownHosts, 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([name]) => name === hostName(host, port))
    .flatMap(([, ...key]) => ['-hostkey', fingerprint(parsePublicKeyLine(key.join(' ')).blob)]);
  return ['plink', '-batch', '-agent', ...keys, '-P', `${port}`, '-l', user, host, command];
}

const CLIENTS = {
  asyncssh: {
    folder: 'python',
    argv: (login) => pythonClient('asyncssh', login, ['--agent', login.agent]),
  },
  paramiko: { folder: 'python', argv: (login) => pythonClient('paramiko', login) },
  /** Dies of a certificate in an agent's list. */
  'paramiko 4': {
    folder: 'python',
    argv: (login) => [
      'env',
      `PYTHONPATH=${built('python', 'paramiko4')}`,
      ...pythonClient('paramiko', login),
    ],
  },
  libssh2: { folder: 'python', argv: (login) => pythonClient('libssh2', login) },
  libssh: { folder: 'python', argv: (login) => pythonClient('libssh', login) },
  'Go x/crypto': {
    folder: 'go',
    toolchain: ['go'],
    argv: (login) => [built('go', 'login'), ...where(login)],
  },
  russh: {
    folder: 'russh',
    toolchain: ['cargo'],
    argv: (login) => [built('russh', 'login'), ...where(login)],
  },
  JSch: {
    folder: 'jsch',
    toolchain: ['java', 'javac', 'mvn'],
    argv: (login) => ['java', '-cp', `${built('jsch')}:${built('jsch', '*')}`, 'Login', ...where(login)],
  },
  plink: { argv: plink },
} as const satisfies Readonly<Record<string, Client>>;

export type ClientName = keyof typeof CLIENTS;

/** Those that can use a certificate which they find in an agent. */
export const CERTIFICATE_CLIENTS = [
  'asyncssh',
  'paramiko',
  'libssh2',
  'libssh',
  'Go x/crypto',
  'russh',
  'JSch',
  'plink',
] as const satisfies readonly ClientName[];

/**
 * Why a client can't run here; undefined where it can. For `ctx.skip(reason)`. With `WARDEN_REQUIRE_REAL=1` throws, but for a client
 * whose toolchain is not on the machine.
 */
export function clientMissing(name: ClientName): string | undefined {
  const { folder, toolchain = [] }: Client = CLIENTS[name];
  const tool = toolchain.find((program) => findProgram(program) === undefined);
  if (tool !== undefined) return `no ${tool} on this machine`;
  const there = folder === undefined ? findProgram(name) !== undefined : existsSync(built(folder, 'ready'));
  if (there) return undefined;
  const reason = `no client ${name}: run .ci/run, which installs it`;
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(reason);
  return reason;
}

/**
 * Logs in and runs the command: its output and its exit code, which is not 0 either where there was no login.
 * Guard with `clientMissing`.
 */
export function clientLogin(name: ClientName, login: ClientLogin): Promise<Result> {
  const [program = '', ...args] = CLIENTS[name].argv(login);
  const { agent, deadline } = login;
  return run(program, args, {
    env: { SSH_AUTH_SOCK: agent },
    ...(deadline === undefined ? {} : { deadline }),
  });
}
