/** Everything that doctor looks at, gathered once; the checks are functions of it. Nothing here changes anything. */

import { statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { type Config, secretFiles } from '../config/config.ts';
import { type LoadInput, loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import { runtimePaths } from '../config/runtime-paths.ts';
import { salvage } from '../config/salvage.ts';
import { type ControlSockets, fetchRefusals, fetchStatus } from '../control/client.ts';
import type { Refusal, Status } from '../control/messages.ts';
import { openAccess } from '../credentials/access.ts';
import { agentSocket, expandTokens, SSH_AUTH_SOCK } from '../destination/identity-agent.ts';
import { asWardenError, type WardenError } from '../errors.ts';
import { account } from '../system/account.ts';
import { safeEnvironment } from '../system/hardening.ts';
import { libcFailure } from '../system/libc.ts';
import { type AgentProbe, type Listener, probeAgent, whoListens } from './agent-probe.ts';
import { type FileFact, lookAtFiles } from './file-facts.ts';
import { type HostFacts, lookAtHost } from './host-facts.ts';
import { attemptLogin, type LoginFacts } from './login-attempt.ts';
import { askOpenBao, type OpenBaoFacts } from './openbao-facts.ts';
import { type SshVersion, sshVersion } from './ssh-program.ts';

export interface DoctorOptions {
  readonly input: LoadInput;
  /** Control sockets where the daemon may be, the likeliest first. */
  readonly sockets: () => ControlSockets;
  /** ssh's words for a destination (options too); empty: none. */
  readonly words: readonly string[];
  /** Whether to log in, really. */
  readonly login: boolean;
  /** The token is taken out of it; what is left is what ssh is started with. */
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Which agent the person's ssh would ask. */
export interface AskedAgent {
  /** `SSH_AUTH_SOCK`, or what IdentityAgent is set to. */
  readonly value: string;
  /** The socket's path; empty where ssh asks none, undefined where that can't be told. */
  readonly path: string | undefined;
  /** Whether it is the daemon's. */
  readonly ours: boolean;
  /** The program that listens there, where it is not the daemon and the system tells. */
  readonly program: string | undefined;
}

export interface Facts {
  readonly libcFailure: string | undefined;
  readonly ssh: SshVersion | undefined;
  readonly config: Config | ConfigError;
  readonly configFile: string;
  readonly files: readonly FileFact[];
  readonly daemon: Status | WardenError;
  /** Where the daemon listens, or should. */
  readonly socket: string;
  /** What is at the socket's path: a file that nobody listens on is a dead daemon's. */
  readonly socketState: Listener['state'];
  readonly agent: AskedAgent;
  readonly upstream: AgentProbe | undefined;
  readonly openbao: OpenBaoFacts | WardenError | undefined;
  readonly host: HostFacts | undefined;
  /** The daemon's last refusals for the host. */
  readonly refusals: readonly Refusal[];
  readonly login: LoginFacts | undefined;
}

function readConfig(input: LoadInput): Config | ConfigError {
  try {
    return loadConfig(input);
  } catch (thrown) {
    if (thrown instanceof ConfigError) return thrown;
    throw thrown;
  }
}

function isSameFile(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [a, b].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return left !== undefined && left.ino === right?.ino && left.dev === right.dev;
}

/** The files that matter, by the configuration or, where it can't be used, by their usual names. */
function filesOf(
  config: Config | ConfigError,
  socket: string,
  { input }: DoctorOptions,
): readonly FileFact[] {
  const { configFile, configDir, stateDir } = runtimePaths(input);
  const usable = 'openbao' in config ? config : undefined;
  const refused = config instanceof ConfigError ? config.problems.map(({ file }) => file) : [];
  return lookAtFiles({
    guarded: [configFile, join(configDir, 'inventory.yaml'), ...refused.filter(isAbsolute)],
    catalogs: [
      join(configDir, 'catalog'),
      ...new Set(usable?.lanes.map(({ source }) => source.replace(/:\d+$/, ''))),
    ],
    privateDirectories: [usable?.stateDir ?? stateDir.value, dirname(socket)],
    proofs: usable?.agent.knownHosts ?? [],
    secrets: usable === undefined ? [] : secretFiles(usable.openbao.auth),
    uid: input.uid,
    home: input.home,
  });
}

/** The agent that ssh asks: IdentityAgent where ssh's configuration has one for the host, else SSH_AUTH_SOCK. */
async function askedAgent(
  options: DoctorOptions,
  host: Facts['host'],
  socket: string,
  own: number | undefined,
): Promise<AskedAgent> {
  const { env } = options;
  const settings = host === undefined || 'refused' in host.settings ? undefined : host.settings;
  const value = settings?.first('identityagent') || SSH_AUTH_SOCK;
  const { homedir: home, username: localUser } = account();
  const expanded = expandTokens(value, {
    home,
    localUser,
    host: settings?.first('hostname'),
    originalHost: settings?.first('host') ?? '',
    port: settings?.first('port'),
    remoteUser: settings?.first('user'),
  });
  const variables = new Map(
    Object.entries(env).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])),
  );
  const path = expanded === undefined ? undefined : agentSocket(expanded, variables);
  if (path === undefined || path === '') return { value, path, ours: false, program: undefined };
  if (isSameFile(path, socket)) return { value, path, ours: true, program: undefined };
  const { pid, program } = await whoListens(path);
  return { value, path, ours: pid !== undefined && pid === own, program };
}

/** Gathers all facts. Throws `usage` where the words name no host, `limit_exceeded` where a file does not answer. */
export async function gatherFacts(options: DoctorOptions): Promise<Facts> {
  const { input, env, words, now } = options;
  const config = readConfig(input);
  const usable = 'openbao' in config ? config : undefined;
  // Before anything is started that would inherit it.
  const access =
    usable === undefined
      ? undefined
      : openAccess(usable.openbao, { environment: { env, taken: {} }, unwrap: false });
  for (const name of ['BAO_TOKEN', 'VAULT_TOKEN']) delete env[name];
  const childEnv = safeEnvironment(env);
  const { homedir: home, username: localUser } = account();
  const caught = <T>(promise: Promise<T>) => promise.catch((thrown: unknown) => asWardenError(thrown));

  const [daemon, ssh, host] = await Promise.all([
    caught(fetchStatus(options.sockets())),
    sshVersion(childEnv),
    words.length === 0 || usable === undefined
      ? undefined
      : lookAtHost(words, usable, { cwd: process.cwd(), home, localUser }, childEnv, now()),
  ]);
  const running = 'pid' in daemon ? daemon : undefined;
  const socket = running?.socket ?? usable?.agent.socket ?? salvage(input).socket;
  const upstreamPath = running === undefined ? usable?.agent.upstream : (running.upstream ?? undefined);
  const typed = host?.typed;
  const chosen = chosenLanes(host);
  const lanes = usable?.lanes.filter(({ id }) => chosen.length === 0 || chosen.includes(id)) ?? [];
  const [openbao, listener, agent, upstream, refusals] = await Promise.all([
    usable === undefined || access === undefined ? undefined : caught(askOpenBao(usable, access, lanes, now)),
    running === undefined ? whoListens(socket) : undefined,
    askedAgent({ ...options, env: childEnv }, host, socket, running?.pid),
    upstreamPath === undefined ? undefined : probeAgent(upstreamPath, running?.pid),
    running === undefined || typed === undefined
      ? []
      : fetchRefusals(options.sockets(), typed).catch(() => []),
  ]);
  const attempt = { sockets: options.sockets, upstream: upstreamPath, env: childEnv };
  return {
    libcFailure: libcFailure(),
    ssh,
    config,
    configFile: runtimePaths(input).configFile,
    files: filesOf(config, socket, options),
    daemon,
    socket,
    // A daemon that has answered on its control socket listens on the other too.
    socketState: listener?.state ?? 'answers',
    agent,
    upstream,
    openbao,
    host,
    refusals,
    login: options.login && host !== undefined ? await attemptLogin(host, attempt) : undefined,
  };
}

/** The lanes that the host's keys lead to, or that cover its names; none where there is no host. */
function chosenLanes(host: HostFacts | undefined): readonly string[] {
  if (host === undefined) return [];
  const byKey = host.keys.flatMap(({ choice }) => ('lane' in choice ? [choice.lane.id] : []));
  if (byKey.length > 0) return byKey;
  return host.byName.flatMap(({ match }) => (match.kind === 'lane' ? [match.lane.id] : []));
}
