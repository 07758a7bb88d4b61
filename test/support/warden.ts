/**
 * A warden daemon for tests: a configuration written into a temporary directory, then either the built program as a process of its
 * own (dist/agent.mjs: what people run) or the same daemon inside the test with an injected clock.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { stringify } from 'yaml';
import { type Daemon, startDaemon } from '../../agent/daemon.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Clock, systemClock } from '../../src/system/clock.ts';
import { parseRecord, type TrailRecord } from '../../src/trail/record.ts';
import { listSegments, TRAIL_FILE } from '../../src/trail/segments.ts';
import { type Background, type Environment, type Result, run, start } from './process.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';

const AGENT = resolve('dist/agent.mjs');
/** How scripts/warden starts the daemon: with this before the program. */
export const DAEMON_FLAGS = ['--max-semi-space-size=1'];
export const LAUNCHER = resolve('scripts/warden');
const READY_DEADLINE_MS = 10_000;

/** A file of the trail, which the daemon may compress at any moment; empty where there is none. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return existsSync(`${path}.gz`) ? gunzipSync(readFileSync(`${path}.gz`)) : Buffer.alloc(0);
  }
}

export interface WardenOptions {
  readonly openbao: {
    readonly addr: string;
    readonly token?: string;
    readonly settings?: Readonly<Record<string, unknown>>;
  };
  /** The `ssh:` blocks of the lanes, by id. `role` and `logins` have to be there as in a real lane. */
  readonly lanes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Principals of `adm-test`, who `self` is. */
  readonly principals: readonly string[];
  /** More actors of the inventory, by name. */
  readonly actors?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Paths of known_hosts files. */
  readonly knownHosts: readonly string[];
  /** Socket of the agent behind, or none. */
  readonly upstream?: string;
  /** Laid over the `agent:` block. */
  readonly agent?: Readonly<Record<string, unknown>>;
  /** The `audit:` block. */
  readonly audit?: Readonly<Record<string, unknown>>;
  /** The `policy:` block; left out: none. */
  readonly policy?: Readonly<Record<string, unknown>>;
  /** The `activity:` block. */
  readonly activity?: Readonly<Record<string, unknown>>;
  readonly env?: Environment;
  /** With a clock the daemon runs inside the test. */
  readonly clock?: Clock;
  readonly stateDir?: string;
  /** A program and its arguments that starts the daemon: `sh -c 'ulimit …; exec "$@"' sh`. */
  readonly under?: readonly string[];
}

export interface Warden {
  readonly dir: TempDirectory;
  /** The agent's socket: SSH_AUTH_SOCK for its clients. */
  readonly socket: string;
  readonly controlSocket: string;
  readonly stateDir: string;
  readonly configFile: string;
  /** What the daemon and its commands are started with. */
  readonly env: Environment;
  /** Of the daemon; undefined when it runs inside the test. */
  readonly pid: number | undefined;
  /** The daemon's log so far; empty when it runs inside the test. */
  log(): string;
  /** The trail's records so far. */
  trail(): TrailRecord[];
  /** Runs `warden ARGS` against this daemon's configuration. */
  cli(args: readonly string[], env?: Environment): Promise<Result>;
  /** Waits until its process ends by itself, and says how. Rejects where there is none. */
  ended(): Promise<Result>;
  /** Ends it without warning. */
  kill(): Promise<void>;
  /** Starts it again after a kill or stop, in the same directories. */
  start(): Promise<void>;
  /** SIGTERM, and waits. */
  stop(): Promise<void>;
  /** Stops and removes everything. */
  remove(): Promise<void>;
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

function writeConfiguration(
  dir: TempDirectory,
  options: WardenOptions,
  socket: string,
  stateDir: string,
): string {
  mkdirSync(dir.join('catalog'), { mode: 0o700 });
  dir.write(
    'inventory.yaml',
    stringify({
      actors: {
        'adm-test': { type: 'adm', principals: options.principals, ttl_hours: 1 },
        ...options.actors,
      },
    }),
  );
  const entries = Object.entries(options.lanes).map(([id, ssh]) => ({
    id,
    title: `SSH by ${id}`,
    need_keywords: ['ssh'],
    owner_repo: 'ops-warden',
    warden_executes: true,
    status: 'active',
    reviewed: '2026-11-22',
    ssh,
  }));
  dir.write('catalog/lanes.yaml', stringify({ entries }));
  return dir.write(
    'warden.yaml',
    stringify({
      actor: 'adm-test',
      openbao: {
        addr: options.openbao.addr,
        auth: { method: 'token', token_env: 'WARDEN_TEST_TOKEN' },
        ...options.openbao.settings,
      },
      inventory_path: dir.join('inventory.yaml'),
      catalog_path: dir.join('catalog'),
      state_dir: stateDir,
      audit: options.audit ?? {},
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      activity: options.activity ?? { sources: [] },
      agent: {
        socket,
        upstream: options.upstream ?? 'none',
        known_hosts: options.knownHosts,
        ...options.agent,
      },
    }),
  );
}

/** Starts a daemon and waits until it takes connections. Needs `npm run build` before, unless a clock is given. */
export async function startWarden(options: WardenOptions): Promise<Warden> {
  const dir = tempDirectory('wd-');
  mkdirSync(dir.join('run'), { mode: 0o700 });
  const socket = dir.socket('run/agent.sock');
  const stateDir = options.stateDir ?? dir.join('state');
  const configFile = writeConfiguration(dir, options, socket, stateDir);
  const env: Environment = {
    HOME: dir.path,
    WARDEN_CONFIG: configFile,
    WARDEN_TEST_TOKEN: options.openbao.token,
    ...options.env,
  };
  let child: Background | undefined;
  let inside: Daemon | undefined;
  let earlierLog = '';

  const begin = async () => {
    if (options.clock !== undefined) {
      const readConfig = () => loadConfig({ flags: {}, env, home: dir.path, uid: process.getuid?.() ?? 0 });
      const config = readConfig();
      inside = await startDaemon({
        socket,
        upstream: config.agent.upstream,
        config,
        readConfig,
        env: { ...env },
        clock: options.clock,
        log: silent,
        onStop: () => undefined,
      });
      return;
    }
    if (!existsSync(AGENT)) throw new Error('dist/agent.mjs is missing: npm run build');
    const [program = '', ...args] = [...(options.under ?? []), process.execPath, ...DAEMON_FLAGS, AGENT];
    child = start(program, args, { env });
    await child.waitFor(/"msg":"ready"/, READY_DEADLINE_MS);
  };
  const stop = async () => {
    await inside?.close();
    inside = undefined;
    if (child === undefined) return;
    child.signal('SIGTERM');
    await child.ended;
    earlierLog += child.stderr();
    child = undefined;
  };
  await begin();
  return {
    dir,
    socket,
    controlSocket: dir.join('run', 'control.sock'),
    stateDir,
    configFile,
    env,
    get pid() {
      return child?.pid;
    },
    log: () => earlierLog + (child?.stderr() ?? ''),
    trail() {
      const directory = join(stateDir, 'audit');
      return [...listSegments(directory).map(({ name }) => name), TRAIL_FILE]
        .map((name) => contentOf(join(directory, name)))
        .flatMap((bytes) => bytes.toString('utf8').split('\n'))
        .filter((line) => line !== '')
        .map((line) => {
          const parsed = parseRecord(Buffer.from(line));
          if ('reason' in parsed) throw new Error(`not a record: ${parsed.reason}: ${line}`);
          return parsed.record;
        });
    },
    cli: (args, extra = {}) => run(LAUNCHER, args, { env: { ...env, ...extra } }),
    async ended() {
      if (child === undefined) throw new Error('the daemon is no process of its own, or has ended');
      const result = await child.ended;
      earlierLog += child.stderr();
      child = undefined;
      return result;
    },
    async kill() {
      if (child === undefined) return;
      child.signal('SIGKILL');
      await child.ended;
      earlierLog += child.stderr();
      child = undefined;
    },
    start: begin,
    stop,
    async remove() {
      await stop();
      dir.remove();
    },
  };
}

/** A clock that is wrong by so many milliseconds. */
export function skewedClock(ms: number): Clock {
  return { now: () => systemClock.now() + ms, monotonicNs: () => systemClock.monotonicNs() };
}
