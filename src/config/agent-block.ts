/**
 * The `agent:` block: the daemon's socket, the agent behind it, the programs that count as ssh. Looks at the file
 * system only to resolve links. Source: interface, "`warden.yaml`"; unix(7) for the length of a socket's path.
 */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { findProgram } from '../system/find-program.ts';
import type { AgentConfig } from './config.ts';
import {
  expandHome,
  inheritedAgent,
  type PathInput,
  type RuntimePaths,
  runtimeDirs,
  SOCKET_NAME,
} from './runtime-paths.ts';
import { type AgentYaml, DEFAULTS } from './schema.ts';
import type { Sources } from './sources.ts';

/** sun_path has 108 bytes on Linux, one of them for the closing NUL. */
const MAX_SOCKET_BYTES = 107;

/** How the warning begins that there is no agent behind this one because the one that was named is this one. */
export const OWN_SOCKET = "agent.upstream is warden's own socket";

/** Resolves the block. `stateDir` is absolute. Problems and warnings are left in `sources`. */
export function resolveAgent(
  sources: Sources,
  yaml: AgentYaml,
  input: PathInput,
  paths: RuntimePaths,
  stateDir: string,
): AgentConfig {
  const socket = resolveSocket(sources, yaml, input, paths, stateDir);
  const directPeers = sources.first(
    'agent.direct_peers',
    [sources.inFile(['agent', 'direct_peers'], yaml.direct_peers)],
    DEFAULTS.direct_peers,
  );
  if (directPeers === 'any') {
    sources.warnings.push('agent.direct_peers: any: the bind’s own flag alone decides whether it is direct');
  }
  const knownHosts = sources.first<readonly string[]>(
    'agent.known_hosts',
    [sources.inFile(['agent', 'known_hosts'], yaml.known_hosts)],
    DEFAULTS.known_hosts,
  );
  return {
    socket,
    upstream: resolveUpstream(sources, yaml, paths, socket),
    knownHosts: knownHosts.map((path) => sources.path(path)),
    sshPrograms: resolveSshPrograms(sources, yaml),
    directPeers,
    tell: sources.first('agent.tell', [sources.inFile(['agent', 'tell'], yaml.tell)], DEFAULTS.tell),
    notifyCommand: yaml.notify_command ?? [],
  };
}

function resolveSocket(
  sources: Sources,
  yaml: AgentYaml,
  input: PathInput,
  paths: RuntimePaths,
  stateDir: string,
): string {
  const [early] = paths.sockets;
  const [dir = stateDir] = runtimeDirs(input, stateDir);
  const socket =
    early !== undefined && early.origin !== 'default'
      ? sources.first('agent.socket', [early], early.value)
      : resolve(
          dir,
          expandHome(
            sources.first('agent.socket', [sources.inFile(['agent', 'socket'], yaml.socket)], SOCKET_NAME),
            input.home,
          ),
        );
  const bytes = Buffer.byteLength(socket, 'utf8');
  if (bytes > MAX_SOCKET_BYTES) {
    sources.report(
      'agent.socket',
      ['agent', 'socket'],
      `the path has ${bytes} bytes, and a socket's may have ${MAX_SOCKET_BYTES}: ${socket}`,
      'choose a shorter one: --socket, WARDEN_SOCKET or agent.socket',
      'socket_path',
    );
  }
  return socket;
}

function resolveUpstream(
  sources: Sources,
  yaml: AgentYaml,
  paths: RuntimePaths,
  socket: string,
): string | undefined {
  let upstream: string | undefined;
  if (paths.upstream.origin !== 'default') {
    sources.origin.set('agent.upstream', paths.upstream.origin);
    upstream = paths.upstream.value;
  } else {
    const word = sources.first(
      'agent.upstream',
      [sources.inFile(['agent', 'upstream'], yaml.upstream)],
      'env',
    );
    if (word === 'env') upstream = inheritedAgent(sources.env);
    else upstream = word === 'none' ? undefined : sources.path(word);
  }
  if (upstream === undefined || real(upstream) !== real(socket)) return upstream;
  sources.warnings.push(`${OWN_SOCKET} (${socket}): there is no agent behind this one`);
  return undefined;
}

/** The path without links; of one that doesn't exist, its directory without links. */
function real(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const directory = dirname(path);
  return existsSync(directory) ? join(realpathSync(directory), basename(path)) : path;
}

function resolveSshPrograms(sources: Sources, yaml: AgentYaml): readonly string[] {
  const named = sources.optional('agent.ssh_programs', [
    sources.inFile(['agent', 'ssh_programs'], yaml.ssh_programs),
  ]);
  // The second is what a shell would start.
  const usual = ['/usr/bin/ssh', findProgram('ssh', sources.env['PATH'])].filter(
    (path) => path !== undefined,
  );
  const candidates = named?.map((path) => sources.path(path)) ?? usual;
  const found = candidates.filter((path) => existsSync(path));
  if (named !== undefined) {
    for (const path of candidates.filter((candidate) => !found.includes(candidate))) {
      sources.warnings.push(`agent.ssh_programs: there is no ${path}`);
    }
  }
  if (found.length === 0) {
    sources.warnings.push('agent.ssh_programs: no program is there, so no login can be direct');
  }
  return [...new Set(found.map((path) => realpathSync(path)))];
}
