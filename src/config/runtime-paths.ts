/**
 * Where warden keeps its things before any file has been read: flags and environment only, no YAML, no zod, because
 * every small command starts here. Left out: `state_dir` and `agent.socket` of warden.yaml (load.ts lays them over).
 * Source: "`warden.yaml`" in the interface; XDG Base Directory Specification (a relative XDG_* is to be ignored).
 */
import { existsSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface PathInput {
  readonly flags: {
    readonly config?: string | undefined;
    readonly socket?: string | undefined;
    readonly upstream?: string | undefined;
  };
  readonly env: Environment;
  /** The user's home, absolute. */
  readonly home: string;
  readonly uid: number;
  /** Where logind makes the users' runtime directories; another place only in tests. */
  readonly runUser?: string;
}

/** A value with the place it came from, as `Config.origin` writes it. */
export interface Sourced<T> {
  readonly value: T;
  readonly origin: string;
}

export interface RuntimePaths {
  /** The configuration file to read, whether it exists or not. */
  readonly configFile: string;
  /** Whether somebody named it: then it must exist. */
  readonly configNamed: boolean;
  /** Where the configuration lives by default: `$XDG_CONFIG_HOME/warden`, else `~/.config/warden`. */
  readonly configDir: string;
  readonly stateDir: Sourced<string>;
  /** Where the agent's sockets could be, the one to make first: flag, WARDEN_SOCKET, else each runtime directory's `agent.sock`. */
  readonly sockets: readonly Sourced<string>[];
  /** The agent behind as flag, WARDEN_UPSTREAM or SSH_AUTH_SOCK say; undefined value: none. */
  readonly upstream: Sourced<string | undefined>;
}

export const SOCKET_NAME = 'agent.sock';

/** An environment variable, with the empty string as unset. */
export function set(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}

/** `~` and `~/…` as the shell has them; `~name` stays as it is, and names nothing. */
export function expandHome(path: string, home: string): string {
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : path;
}

function xdg(env: Environment, name: string): string | undefined {
  const value = set(env[name]);
  return value !== undefined && isAbsolute(value) ? value : undefined;
}

/** The directories that a relative socket path is looked up in, the one to use first. `stateDir`: absolute. */
export function runtimeDirs(input: PathInput, stateDir: string): readonly string[] {
  const dirs: string[] = [];
  const runtime = xdg(input.env, 'XDG_RUNTIME_DIR');
  if (runtime !== undefined) dirs.push(join(runtime, 'warden'));
  const ours = join(input.runUser ?? '/run/user', String(input.uid));
  if (existsSync(ours)) dirs.push(join(ours, 'warden'));
  dirs.push(join(stateDir, 'run'));
  return [...new Set(dirs)];
}

/** A path of the environment or the command line: `~` expanded, relative to the working directory. */
function fromShell(path: string, home: string): string {
  return resolve(expandHome(path, home));
}

/** Returns every path that is known without reading a file. Looks only at whether `/run/user/UID` exists; throws nothing. */
export function runtimePaths(input: PathInput): RuntimePaths {
  const { flags, env, home } = input;
  const configDir = join(xdg(env, 'XDG_CONFIG_HOME') ?? join(home, '.config'), 'warden');
  const named = set(flags.config) ?? set(env['WARDEN_CONFIG']);

  const stateVariable = set(env['WARDEN_STATE_DIR']);
  const stateDir: Sourced<string> =
    stateVariable === undefined
      ? { value: join(home, '.local', 'state', 'warden'), origin: 'default' }
      : { value: fromShell(stateVariable, home), origin: 'WARDEN_STATE_DIR' };

  return {
    configFile: named === undefined ? join(configDir, 'warden.yaml') : fromShell(named, home),
    configNamed: named !== undefined,
    configDir,
    stateDir,
    sockets: sockets(input, runtimeDirs(input, stateDir.value)),
    upstream: upstream(input),
  };
}

function sockets(input: PathInput, dirs: readonly string[]): readonly Sourced<string>[] {
  const flag = set(input.flags.socket);
  if (flag !== undefined) return [{ value: fromShell(flag, input.home), origin: 'flag' }];
  const variable = set(input.env['WARDEN_SOCKET']);
  if (variable !== undefined) {
    const first = resolve(dirs[0] ?? '/', expandHome(variable, input.home));
    return [{ value: first, origin: 'WARDEN_SOCKET' }];
  }
  return dirs.map((dir) => ({ value: join(dir, SOCKET_NAME), origin: 'default' }));
}

function upstream(input: PathInput): Sourced<string | undefined> {
  const { flags, env, home } = input;
  for (const [origin, word] of [
    ['flag', set(flags.upstream)],
    ['WARDEN_UPSTREAM', set(env['WARDEN_UPSTREAM'])],
  ] as const) {
    if (word !== undefined && word !== 'env') {
      return { value: word === 'none' ? undefined : fromShell(word, home), origin };
    }
    if (word === 'env') return { value: inheritedAgent(env), origin };
  }
  return { value: inheritedAgent(env), origin: 'default' };
}

/** The agent that this process was started with: SSH_AUTH_SOCK, absolute. */
export function inheritedAgent(env: Environment): string | undefined {
  const inherited = set(env['SSH_AUTH_SOCK']);
  return inherited === undefined ? undefined : resolve(inherited);
}
