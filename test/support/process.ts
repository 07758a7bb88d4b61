/**
 * Child processes for tests: `run` waits for the end within a deadline, `start` keeps one in the background, `runInTerminal`
 * gives one a terminal of its own (python3's pty). Every child has a group of its own, which is killed at a deadline, at
 * `stop()` and when the test's process ends. The environment is minimal: nothing of the caller's agent, home or language leaks in.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DEADLINE_MS = 20_000;
/** How long a child may take over SIGTERM before it gets SIGKILL. */
const STOP_MS = 3_000;
const SETPRIV = '/usr/bin/setpriv';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface RunOptions {
  /** Laid over the minimal environment; undefined takes a variable out. */
  readonly env?: Environment;
  readonly cwd?: string;
  /** What the child reads; without it the end of a file at once. */
  readonly stdin?: string | Buffer;
  /** Milliseconds after which the whole group is killed; 20 s by default. */
  readonly deadline?: number;
}

export interface Result {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; null where a signal ended the child. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether the deadline killed it. */
  readonly timedOut: boolean;
}

export interface Background {
  readonly pid: number;
  /** Resolves when the child has ended and its output is read; never rejects. */
  readonly ended: Promise<Result>;
  stdout(): string;
  stderr(): string;
  /** Sends text to its standard input, which `start` leaves open. */
  write(text: string): void;
  endInput(): void;
  signal(name: NodeJS.Signals): void;
  /**
   * Waits until stdout or stderr holds `wanted`, or the predicate says yes to both of them joined. Returns the joined output.
   * Rejects at the deadline (milliseconds, 10 s by default) and when the child ends first, with its output in the message.
   */
  waitFor(wanted: string | RegExp | ((output: string) => boolean), deadline?: number): Promise<string>;
  /** SIGTERM, and SIGKILL for the group where that does not help within 3 s. */
  stop(): Promise<Result>;
}

const living = new Set<number>();

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}

process.once('exit', () => {
  for (const pid of living) killGroup(pid, 'SIGKILL');
});

/** PATH and a UTF-8 locale, and `extra` laid over them. HOME is a directory that does not exist unless `extra` names one. */
export function minimalEnvironment(extra: Environment = {}): Record<string, string> {
  const all = { PATH: process.env['PATH'], HOME: '/nonexistent', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...extra };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** The path of a program on PATH or in the directories for administrators, or undefined. */
export function findProgram(name: string): string | undefined {
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/sbin',
    '/usr/local/sbin',
  ];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** Every process below `pid`, children of children too (Linux's /proc; elsewhere none). */
export function descendants(pid: number): number[] {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    return [];
  }
  return children
    .split(' ')
    .filter((text) => text !== '')
    .map(Number)
    .flatMap((child) => [child, ...descendants(child)]);
}

/** Polls until `check` returns something other than undefined or false, and returns it. Throws at the deadline (milliseconds). */
export async function until<T>(
  what: string,
  check: () => T | undefined | false,
  deadline = 10_000,
): Promise<T> {
  const end = Date.now() + deadline;
  for (;;) {
    const value = check();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${deadline} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Starts a program that runs until it ends or `stop()` is called. Throws where it can't be started. */
export function start(program: string, args: readonly string[], options: RunOptions = {}): Background {
  const file = program.includes('/') ? program : (findProgram(program) ?? program);
  // setpriv ends the child with us even when we are killed; the handler above does it at any other end.
  const [command, argv] = existsSync(SETPRIV)
    ? [SETPRIV, ['--pdeathsig', 'KILL', '--', file, ...args]]
    : [file, args];
  const child = spawn(command, argv, {
    cwd: options.cwd,
    env: minimalEnvironment(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const err: Buffer[] = [];
  child.once('error', (error) => err.push(Buffer.from(`${error.message}\n`)));
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} can't be started`);
  living.add(pid);
  const out: Buffer[] = [];
  const watchers = new Set<() => void>();
  const notify = () => {
    for (const watcher of watchers) watcher();
  };
  const text = (chunks: readonly Buffer[]) => Buffer.concat(chunks).toString('utf8');
  child.stdout.on('data', (chunk: Buffer) => {
    out.push(chunk);
    notify();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err.push(chunk);
    notify();
  });
  // A child that does not read: its own exit code says more than our EPIPE.
  child.stdin.on('error', () => undefined);
  let finished = false;
  let timedOut = false;
  const ended = new Promise<Result>((resolve) => {
    child.once('close', (code, signal) => {
      finished = true;
      living.delete(pid);
      resolve({ stdout: text(out), stderr: text(err), code, signal, timedOut });
      notify();
    });
  });
  const timer =
    options.deadline === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          killGroup(pid, 'SIGKILL');
        }, options.deadline);
  void ended.then(() => clearTimeout(timer));
  if (options.stdin !== undefined) child.stdin.end(options.stdin);

  const waitFor: Background['waitFor'] = (wanted, deadline = 10_000) => {
    const found = (output: string) => {
      if (typeof wanted === 'string') return output.includes(wanted);
      return wanted instanceof RegExp ? output.search(wanted) !== -1 : wanted(output);
    };
    return new Promise((resolve, reject) => {
      const settle = (failure?: string) => {
        watchers.delete(look);
        clearTimeout(limit);
        const output = text(out) + text(err);
        if (failure === undefined) resolve(output);
        else reject(new Error(`${program}: ${failure} before ${String(wanted)}; it printed:\n${output}`));
      };
      const look = () => {
        if (found(text(out) + text(err))) settle();
        else if (finished) settle('ended');
      };
      const limit = setTimeout(() => settle(`${deadline} ms passed`), deadline);
      watchers.add(look);
      look();
    });
  };

  return {
    pid,
    ended,
    stdout: () => text(out),
    stderr: () => text(err),
    write: (input) => void child.stdin.write(input),
    endInput: () => void child.stdin.end(),
    signal: (name) => killGroup(pid, name),
    waitFor,
    async stop() {
      killGroup(pid, 'SIGCONT');
      killGroup(pid, 'SIGTERM');
      const force = setTimeout(() => killGroup(pid, 'SIGKILL'), STOP_MS);
      const result = await ended;
      clearTimeout(force);
      killGroup(pid, 'SIGKILL');
      return result;
    },
  };
}

/** Runs a program to its end. A failure is a result, not an exception; only a program that can't be started throws. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return start(program, args, { stdin: '', deadline: DEADLINE_MS, ...options }).ended;
}

/** As `run`, and throws where the exit code is not 0. Returns stdout. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(program, args, options);
  if (result.code !== 0) {
    const end = result.timedOut ? 'past its deadline' : `exit ${result.code ?? result.signal}`;
    throw new Error(`${[program, ...args].join(' ')}: ${end}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** What a person types: `send` once the terminal shows `after` (behind what earlier lines have matched). */
export interface Typed {
  readonly after: string;
  readonly send: string;
}

/** The system's python rather than a version manager's, which wants a home. */
export const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
/** What gives a program a terminal, as the first argument to PYTHON. */
export const TERMINAL = fileURLToPath(new URL('python/terminal.py', import.meta.url));

/**
 * Runs a program on a terminal of its own (80 columns, 24 lines), which is its controlling terminal, stdin, stdout and stderr.
 * `stdout` of the result is all that the terminal showed, with `\r\n`; the exit code is the program's (128 + signal).
 */
export async function runInTerminal(
  argv: readonly string[],
  options: Omit<RunOptions, 'stdin'> & { readonly typed?: readonly Typed[] } = {},
): Promise<Result> {
  const { typed = [], ...rest } = options;
  const terminal = start(PYTHON, [TERMINAL, ...argv], { deadline: DEADLINE_MS, ...rest });
  let seen = 0;
  for (const { after, send } of typed) {
    const output = await terminal.waitFor(
      (text) => text.includes(after, seen),
      options.deadline ?? DEADLINE_MS,
    );
    seen = output.indexOf(after, seen) + after.length;
    terminal.write(send);
  }
  return terminal.ended;
}
