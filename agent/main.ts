/**
 * The daemon's program: `warden agent`. Reads flags, environment and configuration, starts the daemon, reads the configuration again on SIGHUP,
 * ends on other signals.
 * `--detached` and `--session-of` are the launcher's: see scripts/warden.
 */
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../src/config/config.ts';
import { type LoadInput, loadConfig } from '../src/config/load.ts';
import { shippedCatalog } from '../src/config/package-paths.ts';
import { type PathInput, runtimePaths } from '../src/config/runtime-paths.ts';
import { salvage } from '../src/config/salvage.ts';
import { postSocket } from '../src/control/signposts.ts';
import { asWardenError, EXIT, WardenError } from '../src/errors.ts';
import { homeDirectory } from '../src/system/account.ts';
import { systemClock } from '../src/system/clock.ts';
import { ensurePrivateDirectory } from '../src/system/directories.ts';
import { givenSocket, serviceNotifier, wantsSignsOfLife } from '../src/system/service-manager.ts';
import { hasTerminal } from '../src/system/terminal.ts';
import { checkConfiguration, errorLines } from './check.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import { armDeadman } from './deadman.ts';
import { detach } from './detach.ts';
import { followProcess } from './lifetime.ts';
import { isReady } from './listener.ts';
import { createLog } from './log.ts';

/** In-flight logins get this long to end after SIGTERM. */
const STOP_DEADLINE_MS = 5_000;

const OPTIONS = {
  config: { type: 'string' },
  socket: { type: 'string' },
  upstream: { type: 'string' },
  check: { type: 'boolean' },
  detached: { type: 'boolean' },
  'session-of': { type: 'string' },
  'session-socket': { type: 'string' },
} as const;

function parseFlags(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: OPTIONS,
      strict: true,
      allowPositionals: false,
    });
    const session = values['session-of'];
    const sessionSocket = values['session-socket'];
    const sessionOf = session === undefined ? undefined : Number(session);
    if (sessionOf !== undefined && !(Number.isSafeInteger(sessionOf) && sessionOf > 1))
      throw new Error('--session-of takes a process id');
    return { ...values, sessionOf, sessionSocket };
  } catch (cause) {
    const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : '';
    throw new WardenError('usage', reason, { hint: 'warden agent --help', cause });
  }
}

/** The configuration, or what makes it unusable together with where the sockets go all the same. */
function readConfig(
  input: LoadInput,
  strict: boolean,
): Pick<DaemonOptions, 'config' | 'socket' | 'upstream'> {
  try {
    const config = loadConfig(input);
    return { config, socket: config.agent.socket, upstream: config.agent.upstream };
  } catch (thrown) {
    const error = asWardenError(thrown);
    if (strict || error.code === 'socket_path') throw error;
    const hint = error.hint === '' ? '' : ` (${error.hint})`;
    const file = runtimePaths(input).configFile;
    return { config: { unusable: `${error.message}${hint}`, file }, ...salvage(input) };
  }
}

/**
 * What reads the configuration again. Relative paths of flags and environment begin where the daemon was started, which it has left
 * (detach.ts); nothing else of it has any.
 */
function rereader(input: LoadInput, detached: boolean): () => Config {
  const startedIn = detached ? process.cwd() : undefined;
  return () => {
    if (startedIn === undefined) return loadConfig(input);
    const now = process.cwd();
    process.chdir(startedIn);
    try {
      return loadConfig(input);
    } finally {
      process.chdir(now);
    }
  };
}

/** Never throws: whatever happens while stopping, the process ends. */
async function stop(daemon: Daemon, ofSession: boolean): Promise<never> {
  setTimeout(() => process.exit(EXIT.unavailable), STOP_DEADLINE_MS).unref();
  await daemon.close().catch(() => undefined);
  // The launcher made this directory for one session.
  if (ofSession) rmSync(dirname(daemon.socket), { recursive: true, force: true });
  process.exit(EXIT.ok);
}

/** Starts the daemon, and what has to happen around one: names, signals, signposts. */
async function serve(
  options: DaemonOptions,
  input: PathInput,
  sessionOf: number | undefined,
  onTerminal: boolean,
): Promise<Daemon> {
  process.title = 'warden-agent';
  process.umask(0o077);
  let daemon: Daemon | undefined;
  let stopping = false;
  let unpost = () => {};
  const notify = serviceNotifier(process.env);
  const onStop = () => {
    stopping = true;
    notify('STOPPING=1');
    unpost();
    if (daemon !== undefined) void stop(daemon, sessionOf !== undefined);
  };
  // Without a handler, SIGUSR1 opens Node's inspector, and with it all memory.
  process.on('SIGUSR1', () => daemon?.dropKeys());
  process.on('SIGHUP', () => {
    // The terminal has gone, and its daemon goes with it. Any other SIGHUP is meant.
    if (onTerminal && !hasTerminal()) onStop();
    else if (!stopping) daemon?.reload();
  });
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  armDeadman(wantsSignsOfLife(process.env) ? () => notify('WATCHDOG=1') : () => undefined);
  daemon = await startDaemon({ ...options, ofSession: sessionOf !== undefined, onStop });
  notify('READY=1');
  if (sessionOf === undefined) unpost = postSocket(input, options.socket);
  else followProcess(sessionOf, onStop);
  if (stopping) onStop();
  return daemon;
}

/** A detached daemon has no standard error: its log is a file in state_dir, where there can be one. */
function logFile(config: DaemonOptions['config']): string | undefined {
  if ('unusable' in config) return undefined;
  try {
    ensurePrivateDirectory(config.stateDir);
    return join(config.stateDir, 'agent.log');
  } catch {
    return undefined;
  }
}

async function run(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const background = flags.detached === true;
  const given = givenSocket(process.env);
  const input: LoadInput = {
    flags: { config: flags.config, socket: given?.path ?? flags.socket, upstream: flags.upstream },
    env: { ...process.env },
    home: homeDirectory(),
    uid: process.getuid?.() ?? 0,
    shippedCatalog: shippedCatalog(),
  };
  if (flags.check === true) {
    process.stdout.write(checkConfiguration(input));
    return;
  }
  // A one-shot session that can't mint would be a worse ssh: it says why instead.
  const { config, socket, upstream } = readConfig(input, flags.sessionOf !== undefined);
  const running = async () => background && (await isReady(socket, config.file));
  if (flags.sessionOf === undefined ? await running() : await running().catch(() => false)) {
    process.stdout.write(`socket ${socket}\n`);
    return;
  }
  let file = background ? logFile(config) : undefined;
  const { log, writeTo } = createLog(file);
  const read = rereader(input, background);
  const readAgain = () => {
    const next = read();
    file ??= background ? logFile(next) : undefined;
    // Who rotates it has moved it away.
    if (file !== undefined) writeTo(file);
    return next;
  };
  const options = { socket: flags.sessionSocket ?? socket, upstream, config, readConfig: readAgain, log };
  try {
    const daemon = await serve(
      { ...options, descriptor: given?.fd, env: process.env, clock: systemClock, onStop: () => undefined },
      input,
      flags.sessionOf,
      !background && hasTerminal(),
    );
    if (background) detach(`socket ${daemon.socket}`);
  } catch (thrown) {
    // Another one may have been started at the same moment.
    if (asWardenError(thrown).code !== 'socket_in_use' || !(await running())) throw thrown;
    process.stdout.write(`socket ${socket}\n`);
    process.exit(EXIT.ok);
  }
}

run().catch((thrown: unknown) => {
  process.stderr.write(`${errorLines(thrown).join('\n')}\n`);
  const { exit } = asWardenError(thrown);
  // The launcher can't see the status of a daemon that it let go of.
  if (process.argv.includes('--detached')) process.stdout.write(`exit ${exit}\n`);
  process.exit(exit);
});
