/**
 * The daemon's program: `warden agent`. Reads flags, environment and configuration once, starts the daemon, ends it on a signal.
 * `--detached` and `--session-of` are the launcher's: see scripts/warden.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../src/config/config.ts';
import { loadConfig } from '../src/config/load.ts';
import { shippedCatalog } from '../src/config/package-paths.ts';
import { type PathInput, runtimePaths } from '../src/config/runtime-paths.ts';
import { asWardenError, EXIT, WardenError } from '../src/errors.ts';
import { systemClock } from '../src/system/clock.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { detach } from './detach.ts';
import { followProcess } from './lifetime.ts';
import { isServed } from './listener.ts';
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
  input: PathInput,
  strict: boolean,
): { config: Parameters<typeof startDaemon>[0]['config']; socket: string; upstream: string | undefined } {
  try {
    const config: Config = loadConfig({ ...input, shippedCatalog: shippedCatalog() });
    return { config, socket: config.agent.socket, upstream: config.agent.upstream };
  } catch (thrown) {
    const error = asWardenError(thrown);
    if (strict || error.code === 'socket_path') throw error;
    const paths = runtimePaths(input);
    const socket = paths.sockets[0]?.value;
    if (socket === undefined) throw error;
    const hint = error.hint === '' ? '' : ` (${error.hint})`;
    return {
      config: { unusable: `${error.message}${hint}`, file: paths.configFile },
      socket,
      upstream: paths.upstream.value,
    };
  }
}

/** Never throws: whatever happens while stopping, the process ends. */
async function stop(daemon: Daemon, ofSession: boolean): Promise<never> {
  setTimeout(() => process.exit(EXIT.unavailable), STOP_DEADLINE_MS).unref();
  await daemon.close().catch(() => undefined);
  // The launcher made this directory for one session.
  if (ofSession) rmSync(dirname(daemon.socket), { recursive: true, force: true });
  process.exit(EXIT.ok);
}

async function run(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  const background = flags.detached === true;
  const input: PathInput = {
    flags: { config: flags.config, socket: flags.socket, upstream: flags.upstream },
    env: { ...process.env },
    home: homedir(),
    uid: process.getuid?.() ?? 0,
  };
  // A one-shot session that can't mint would be a worse ssh: it says why instead.
  const {
    config,
    socket: configured,
    upstream,
  } = readConfig(input, flags.check === true || flags.sessionOf !== undefined);
  if (flags.check === true) {
    process.stdout.write(`configuration is good: ${config.file ?? 'defaults'}\n`);
    return;
  }
  if (background && isServed(configured)) {
    process.stdout.write(`socket ${configured}\n`);
    return;
  }
  const socket = flags.sessionSocket ?? configured;
  process.title = 'warden-agent';
  process.umask(0o077);
  let daemon: Daemon | undefined;
  const onStop = () => {
    if (daemon !== undefined) void stop(daemon, flags.sessionOf !== undefined);
  };
  // Without a handler, SIGUSR1 opens Node's inspector, and with it all memory.
  process.on('SIGUSR1', () => undefined);
  process.on('SIGTERM', onStop);
  process.on('SIGINT', onStop);
  if (background) process.on('SIGHUP', () => undefined);
  daemon = await startDaemon({
    socket,
    upstream,
    config,
    env: process.env,
    clock: systemClock,
    log: createLog(background ? logFile(config) : undefined),
    onStop,
  });
  if (flags.sessionOf !== undefined) followProcess(flags.sessionOf, onStop);
  if (background) detach(`socket ${daemon.socket}`);
}

/** A detached daemon has no standard error: its log is a file in state_dir, where it is known. */
function logFile(config: Parameters<typeof startDaemon>[0]['config']): string | undefined {
  if ('unusable' in config) return undefined;
  mkdirSync(config.stateDir, { recursive: true, mode: 0o700 });
  return join(config.stateDir, 'agent.log');
}

run().catch((thrown: unknown) => {
  const error = asWardenError(thrown);
  process.stderr.write(`warden: ${error.message}${error.hint === '' ? '' : ` (${error.hint})`}\n`);
  // The launcher can't see the status of a daemon that it let go of.
  if (process.argv.includes('--detached')) process.stdout.write(`exit ${error.exit}\n`);
  process.exit(error.exit);
});
