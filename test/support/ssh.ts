/**
 * The system's own ssh (and what is built on it) as tests run it: everything that it would read from the machine or the
 * caller's home is set to nothing or to the test's own, so that a login depends on the test alone.
 * ssh takes the home directory from the password database, not from HOME: so files are named in options.
 */
import { type Environment, findProgram, type Result, type RunOptions, run } from './process.ts';

export interface ClientOptions {
  /** Default 22. */
  readonly port?: number;
  readonly user?: string;
  /** The socket of the agent, as the environment variable SSH_AUTH_SOCK; without it ssh has no agent. */
  readonly agent?: string;
  /** The same as an option of ssh, which beats the variable. */
  readonly identityAgent?: string;
  /** `UserKnownHostsFile`; without it the configuration's, or an empty one (and no host is trusted). */
  readonly knownHosts?: string;
  /** `-F`; without it no configuration is read. */
  readonly config?: string;
  /** Private keys to offer; without them none, not even those of the caller's home. */
  readonly identities?: readonly string[];
  /** Each behind an `-o`, before all others: the first value wins. */
  readonly options?: readonly string[];
  /** Seconds; default 10. */
  readonly connectTimeout?: number;
  /** Default ERROR. */
  readonly logLevel?: string;
  /** Laid over the minimal environment. */
  readonly env?: Environment;
}

export interface SshOptions extends ClientOptions, Pick<RunOptions, 'stdin' | 'deadline' | 'cwd'> {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** More arguments, before the host: `-A`, `-J hop`, `-R …`. */
  readonly args?: readonly string[];
  /** Default: `true`. An empty array asks for a shell. */
  readonly command?: readonly string[];
}

/** The arguments that ssh, scp and sftp have in common: `-F` and `-o` only. */
export function clientArguments(options: ClientOptions): string[] {
  const keys = options.identities ?? [];
  const settings = [
    ...(options.options ?? []),
    'BatchMode=yes',
    ...(options.knownHosts !== undefined || options.config === undefined
      ? [`UserKnownHostsFile=${options.knownHosts ?? '/dev/null'}`]
      : []),
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    `ConnectTimeout=${options.connectTimeout ?? 10}`,
    `LogLevel=${options.logLevel ?? 'ERROR'}`,
    ...(options.port === undefined ? [] : [`Port=${options.port}`]),
    ...(options.user === undefined ? [] : [`User=${options.user}`]),
    ...(options.identityAgent === undefined ? [] : [`IdentityAgent=${options.identityAgent}`]),
    // "none" keeps ssh from the keys of the caller's home; keys that a configuration names are still read.
    ...(keys.length === 0 ? ['none'] : keys).map((key) => `IdentityFile=${key}`),
  ];
  return ['-F', options.config ?? 'none', ...settings.flatMap((setting) => ['-o', setting])];
}

/** The environment of a client: minimal, and SSH_AUTH_SOCK only where the test names an agent. */
export function clientEnvironment(options: ClientOptions): Environment {
  return { SSH_AUTH_SOCK: options.agent, ...options.env };
}

/** One line for `rsync -e`, GIT_SSH_COMMAND and the like. Throws where a word would need quoting. */
export function sshCommandLine(options: ClientOptions & { readonly args?: readonly string[] }): string {
  const words = [findProgram('ssh') ?? 'ssh', ...clientArguments(options), ...(options.args ?? [])];
  const odd = words.find((word) => !/^[\w@%+=:,./[\]-]+$/.test(word));
  if (odd !== undefined) throw new Error(`${odd} would need quoting`);
  return words.join(' ');
}

/** The whole command, for tests that start it in a terminal or in the background. */
export function sshArgv(options: SshOptions): string[] {
  return [
    findProgram('ssh') ?? 'ssh',
    ...clientArguments(options),
    ...(options.args ?? []),
    options.host ?? '127.0.0.1',
    ...(options.command ?? ['true']),
  ];
}

/** Runs ssh to its end. Exit code 255 is ssh's own failure, any other the remote command's. */
export function ssh(options: SshOptions): Promise<Result> {
  const [program = 'ssh', ...args] = sshArgv(options);
  const { stdin = '', deadline = 20_000, cwd } = options;
  return run(program, args, {
    env: clientEnvironment(options),
    stdin,
    deadline,
    ...(cwd === undefined ? {} : { cwd }),
  });
}
