/**
 * What OpenSSH's ssh-agent does to itself before it holds a key (`ssh-agent.c: main`, `platform_disable_tracing`,
 * `RLIMIT_CORE`), and what Node needs besides: no inspector on SIGUSR1, no environment that changes how it runs.
 */
import { libc } from './libc.ts';

const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;

/** Forbids debuggers of the same user and core dumps. Returns what could not be done, as words for `status`. */
export function hardenProcess(): readonly string[] {
  const c = libc();
  if (c === undefined) return ['not hardened: the package koffi is missing'];
  const missing: string[] = [];
  if (process.platform !== 'linux')
    missing.push('debuggers of the same user are not refused on this platform');
  else if (c.prctl(PR_SET_DUMPABLE, 0) !== 0) missing.push('prctl(PR_SET_DUMPABLE) failed');
  if (c.setrlimit(RLIMIT_CORE, Buffer.alloc(16)) !== 0) missing.push('setrlimit(RLIMIT_CORE) failed');
  return missing;
}

/** Variables that must not reach the daemon or its children: they load code or trust into Node. */
export const UNSAFE_ENVIRONMENT = [
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_PATH',
  'NODE_V8_COVERAGE',
] as const;

/** The daemon's environment: a copy without what would change how Node runs. */
export function safeEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const safe = { ...env };
  for (const name of UNSAFE_ENVIRONMENT) delete safe[name];
  return safe;
}

/** What a program that the daemon starts is told of its environment (design, "Children"): nothing that could be a credential. */
const CHILD_ENVIRONMENT =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_(?:RUNTIME_DIR|CONFIG_HOME|STATE_HOME)|DISPLAY|WAYLAND_DISPLAY|DBUS_SESSION_BUS_ADDRESS)$/;

/** The environment of a child: the allow-listed part of `env`. */
export function childEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => CHILD_ENVIRONMENT.test(name)));
}
