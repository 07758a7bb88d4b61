/**
 * The agent's socket: one per daemon, 0600 in a 0700 directory, in the place of a dead predecessor's but never of a living agent's.
 * The directory's `agent.pid` is locked while the daemon lives and tells the shell launcher who serves (pid, then the configuration).
 */
import { closeSync, ftruncateSync, lstatSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PID_FILE, servedConfig } from '../src/control/signposts.ts';
import { errnoOf, WardenError } from '../src/errors.ts';
import { ensurePrivateDirectory } from '../src/system/directories.ts';
import { libc } from '../src/system/libc.ts';
import { tryLock } from '../src/system/lock.ts';

/** `sun_path` of unix(7) without its NUL. */
const MAX_SOCKET_PATH = 107;
const PROBE_DEADLINE_MS = 500;
/** A daemon that has its directory but does not listen yet will in this time; one that stops is gone (main.ts: STOP_DEADLINE_MS). */
const READY_DEADLINE_MS = 6_000;
const LOOK_EVERY_MS = 20;
/** A service manager's daemon has taken its directory by then. */
const ACTIVATION_DEADLINE_MS = 3_000;

export const CONTROL_SOCKET = 'control.sock';

export function controlSocketOf(agentSocket: string): string {
  return join(dirname(agentSocket), CONTROL_SOCKET);
}

function inUse(path: string, who: string): WardenError {
  return new WardenError('socket_in_use', `${path} is served by ${who}`, {
    hint: 'use it (warden env), stop it (warden agent --stop), or choose another: --socket',
  });
}

/** Takes the directory for this daemon. Returns the open, locked file. Throws `socket_in_use`. */
function lockDirectory(directory: string): number | undefined {
  if (libc() === undefined) return undefined;
  const path = join(directory, PID_FILE);
  const fd = openSync(path, 'a+', 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    throw inUse(
      directory,
      `a living warden agent, process ${readFileSync(path, 'utf8').split('\n', 1)[0] || 'unknown'}`,
    );
  }
  ftruncateSync(fd, 0);
  return fd;
}

/** Whether a living warden agent has taken the directory of a socket path. */
export function isServed(socketPath: string): boolean {
  let fd: number;
  try {
    fd = openSync(join(dirname(socketPath), PID_FILE), 'r');
  } catch {
    return false;
  }
  try {
    return libc() !== undefined && !tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whether anybody accepts connections on a socket path. */
function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    const answer = (served: boolean) => {
      clearTimeout(timer);
      probe.destroy();
      resolve(served);
    };
    // One that neither accepts nor refuses is alive and busy.
    const timer = setTimeout(() => answer(true), PROBE_DEADLINE_MS);
    probe.once('connect', () => answer(true));
    probe.once('error', (error) => answer(errnoOf(error) === 'EAGAIN'));
  });
}

/** Whether somebody accepts connections, and in a moment may be a daemon that a service manager starts for them. */
async function mayBeActivated(socketPath: string, since: number): Promise<boolean> {
  return performance.now() - since < ACTIVATION_DEADLINE_MS && (await accepts(socketPath));
}

/**
 * Whether a warden agent serves `socketPath` for this configuration; waits for one that is just starting. Throws `socket_in_use` where
 * it is another configuration's.
 */
export async function isReady(socketPath: string, config: string | undefined): Promise<boolean> {
  const since = performance.now();
  const deadline = since + READY_DEADLINE_MS;
  while (
    (isServed(socketPath) || (await mayBeActivated(socketPath, since))) &&
    performance.now() < deadline
  ) {
    const served = servedConfig(socketPath);
    if (served !== undefined && (await accepts(socketPath))) {
      if (served === (config ?? '')) return true;
      throw inUse(socketPath, `a warden agent with another configuration (${served || 'defaults'})`);
    }
    await sleep(LOOK_EVERY_MS);
  }
  return false;
}

/** Throws `socket_path` where something other than a socket is in the socket's place. Returns whether one is there. */
export function refuseOtherFile(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (found.isSocket()) return true;
  throw new WardenError('socket_path', `${path} is there already and is no socket`, {
    hint: 'remove it, or choose another: --socket',
  });
}

async function clearPath(path: string): Promise<void> {
  if (!refuseOtherFile(path)) return;
  if (await accepts(path)) throw inUse(path, 'another living agent');
  unlinkSync(path);
}

function listen(server: Server, path: string, descriptor: number | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    // For good: a later one (a connection that can't be accepted) must not end the daemon.
    server.on('error', (cause) =>
      reject(new WardenError('socket_path', `can't listen on ${path}: ${errnoOf(cause)}`, { cause })),
    );
    if (descriptor !== undefined) {
      server.listen({ fd: descriptor }, () => resolve());
      return;
    }
    // The socket must never exist with wider rights, not even for a moment.
    const before = process.umask(0o177);
    server.listen(path, 511, () => resolve());
    process.umask(before);
  });
}

/** What is done with a connection. */
export type Serve = (socket: Socket) => void;

/** One socket that is listened on. */
export interface Listening {
  readonly path: string;
  readonly connections: () => number;
  /** Stops listening and removes the socket; resolves when no connection is left. */
  close(): Promise<void>;
  /** Ends what is connected. */
  end(): void;
}

function refuseLongPath(path: string): void {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new WardenError(
      'socket_path',
      `the socket path is ${Buffer.byteLength(path)} bytes long, ${MAX_SOCKET_PATH} are possible: ${path}`,
      {
        hint: 'choose a shorter one: --socket, WARDEN_SOCKET or agent.socket; or a shorter XDG_RUNTIME_DIR',
      },
    );
  }
}

/**
 * Listens on `path` in a directory that is this daemon's own; with a descriptor, on the socket that a service manager has put there
 * and keeps. Throws `socket_path`, `socket_in_use`.
 */
export async function listenAt(path: string, serve: Serve, descriptor?: number): Promise<Listening> {
  refuseLongPath(path);
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    serve(socket);
  });
  if (descriptor === undefined) await clearPath(path);
  await listen(server, path, descriptor);
  return {
    path,
    connections: () => open.size,
    close: () => new Promise((resolve) => server.close(() => resolve())),
    end() {
      for (const socket of open) socket.destroy();
    },
  };
}

function pidFile(config: string | undefined): string {
  return `${process.pid}\n${config ?? ''}\n`;
}

export interface Listener {
  readonly path: string;
  readonly connections: () => number;
  /** Says which configuration is served now, for those who look for its daemon: a hint, so it throws nothing. */
  announce(config: string | undefined): void;
  /** Stops listening, removes the socket, waits for `drained`, gives the directory free and ends what is connected. */
  close(drained: () => Promise<void>): Promise<void>;
}

/**
 * Takes the directory of `path` for this daemon, listens there and hands each connection to `serve`. Throws `socket_path`,
 * `socket_in_use`, `config_permissions`.
 */
export async function openListener(
  path: string,
  config: string | undefined,
  serve: Serve,
  descriptor?: number,
): Promise<Listener> {
  refuseLongPath(path);
  ensurePrivateDirectory(dirname(path));
  // A service manager listens there and starts a daemon for whoever connects: that one needs the directory.
  if (descriptor === undefined && !isServed(path) && refuseOtherFile(path) && (await accepts(path)))
    throw inUse(path, 'another living agent');
  const lock = lockDirectory(dirname(path));
  let listening: Listening;
  try {
    listening = await listenAt(path, serve, descriptor);
    // Only now: whoever finds a pid in it may connect.
    if (lock !== undefined) writeSync(lock, pidFile(config));
  } catch (error) {
    if (lock !== undefined) closeSync(lock);
    throw error;
  }
  return {
    path,
    connections: listening.connections,
    announce(serving) {
      if (lock === undefined || servedConfig(path) === (serving ?? '')) return;
      try {
        ftruncateSync(lock, 0);
        writeSync(lock, pidFile(serving));
      } catch {
        // Found by its path all the same.
      }
    },
    async close(drained) {
      const closed = listening.close();
      await drained();
      listening.end();
      await closed;
      if (lock === undefined) return;
      ftruncateSync(lock, 0);
      closeSync(lock);
    },
  };
}
