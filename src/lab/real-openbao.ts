/**
 * The real OpenBao in the stand-in's place (`warden lab --openbao`): `bao server -dev` on a free loopback port, set up as the README
 * sets up one for production: an SSH engine with an ed25519 CA, the role, the least-privilege policy, a token of that policy.
 * NOT FOR PRODUCTION: dev mode keeps everything in memory, unsealed. Source: OpenBao's docs, "Dev server mode", "SSH secrets engine".
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

const MOUNT = 'ssh';
const START_DEADLINE_MS = 15_000;
const REQUEST_DEADLINE_MS = 5_000;
const STOP_DEADLINE_MS = 3_000;
const LOOK_EVERY_MS = 25;
const TOKEN_TTL = '8h';

/** What signs for the lab, stand-in or not. */
export interface Signer {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly mount: string;
  readonly caFingerprint: string;
  /** For the lab's agent: may sign with the role. */
  readonly token: string;
  stop(): Promise<void>;
}

export interface RealOpenBaoOptions {
  /** The `bao` program: a path, or a name to find on PATH. */
  readonly program: string;
  readonly role: { readonly name: string; readonly body: Readonly<Record<string, unknown>> };
  /** Existing directory that the server may take for its home. */
  readonly home: string;
}

const caAnswer = z.object({ data: z.object({ public_key: z.string() }) });
const tokenAnswer = z.object({ auth: z.object({ client_token: z.string() }) });

function failure(message: string, cause?: unknown): WardenError {
  return new WardenError('bao_unavailable', message, {
    hint: 'put OpenBao 2.x on PATH, or name it: warden lab --openbao /path/to/bao',
    ...(cause === undefined ? {} : { cause }),
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** A request with a token; the parsed body, undefined where there is none. */
async function call(
  url: string,
  token: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const answer = await fetch(`${url}/v1/${path}`, {
    method,
    headers: { 'X-Vault-Request': 'true', 'X-Vault-Token': token },
    signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw failure(`OpenBao answered ${answer.status} to ${method} ${path}`);
  return text === '' ? undefined : JSON.parse(text);
}

interface Running {
  readonly child: ChildProcess;
  /** Why it has ended, once it has. */
  ended(): string | undefined;
}

function launch(program: string, port: number, home: string, rootToken: string): Running {
  const child = spawn(
    program,
    ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`],
    {
      // Its output has the unseal key in it: only what it says of a failure is kept.
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: home, BAO_DEV_ROOT_TOKEN_ID: rootToken },
      // A group of its own: Ctrl-C is the lab's, which then stops it.
      detached: true,
    },
  );
  let said = '';
  let why: string | undefined;
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-400);
  });
  child.once('error', (error) => {
    why = `${program} can't be started: ${errnoOf(error) || error.message}`;
  });
  child.once('exit', (code, signal) => {
    const last = said.trim().split('\n').at(-1) ?? '';
    why ??= `OpenBao ended with ${code ?? signal}: ${last.replaceAll(rootToken, '…')}`;
  });
  return { child, ended: () => why };
}

async function untilHealthy(url: string, running: Running): Promise<void> {
  const deadline = performance.now() + START_DEADLINE_MS;
  while (performance.now() < deadline) {
    const why = running.ended();
    if (why !== undefined) throw failure(why);
    const health = await fetch(`${url}/v1/sys/health`, {
      signal: AbortSignal.timeout(REQUEST_DEADLINE_MS),
    }).catch(() => undefined);
    if (health?.ok === true) return;
    await sleep(LOOK_EVERY_MS);
  }
  throw failure(`OpenBao did not come up within ${START_DEADLINE_MS / 1000} s`);
}

/** Starts and sets up the server. Throws `bao_unavailable`; then nothing is left running. */
export async function startRealOpenBao(options: RealOpenBaoOptions): Promise<Signer> {
  const { role } = options;
  const root = `root-${randomBytes(16).toString('hex')}`;
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = launch(options.program, port, options.home, root);
  const kill = () => void running.child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    process.removeListener('exit', kill);
    if (running.ended() !== undefined) return;
    const exited = new Promise((resolve) => running.child.once('exit', resolve));
    running.child.kill('SIGTERM');
    const force = setTimeout(kill, STOP_DEADLINE_MS);
    await exited;
    clearTimeout(force);
  };
  try {
    await untilHealthy(url, running);
    await call(url, root, 'POST', `sys/mounts/${MOUNT}`, { type: 'ssh' });
    const ca = caAnswer.parse(
      await call(url, root, 'POST', `${MOUNT}/config/ca`, {
        generate_signing_key: true,
        key_type: 'ed25519',
      }),
    );
    await call(url, root, 'POST', `${MOUNT}/roles/${role.name}`, role.body);
    await call(url, root, 'POST', `sys/policies/acl/${role.name}`, {
      policy: `path "${MOUNT}/sign/${role.name}" { capabilities = ["update"] }`,
    });
    const token = tokenAnswer.parse(
      await call(url, root, 'POST', 'auth/token/create', {
        policies: [role.name],
        ttl: TOKEN_TTL,
        display_name: 'warden-lab',
      }),
    );
    return {
      url,
      mount: MOUNT,
      caFingerprint: fingerprint(parsePublicKeyLine(ca.data.public_key.trim()).blob),
      token: token.auth.client_token,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
