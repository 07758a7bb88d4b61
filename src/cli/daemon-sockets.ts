/** Where the daemon's control socket may be: by what daemons have left, and by the configuration if there is a good one. */
import { runtimePaths } from '../config/runtime-paths.ts';
import { controlSocket } from '../control/client.ts';
import { servedConfig, socketsOfConfig } from '../control/signposts.ts';
import { type CommonFlags, pathInput } from './context.ts';

/** Those that are known without reading the configuration: named by flag or variable (`only`), or left by the daemons that serve it. */
export function knownSockets(flags: CommonFlags): {
  readonly agents: readonly string[];
  readonly only: boolean;
} {
  const input = pathInput(flags);
  const [early] = runtimePaths(input).sockets;
  if (early !== undefined && early.origin !== 'default') return { agents: [early.value], only: true };
  return { agents: socketsOfConfig(input), only: false };
}

/**
 * One after the other, the likeliest first; never throws. The daemons of this configuration come first: it may have been broken or
 * changed since they started, and reading it (YAML and schemas) is the greater part of a small command's time. Those of another
 * configuration are nobody's business here (`--stop` must not find them).
 */
export async function* daemonSockets(flags: CommonFlags): AsyncGenerator<string, void> {
  const { agents, only } = knownSockets(flags);
  for (const socket of agents) yield controlSocket(socket);
  const configured = only ? undefined : await configuredSocket(flags);
  if (configured !== undefined && !agents.includes(configured)) yield controlSocket(configured);
}

/** The socket that the configuration names; of one that can't be used, what can be had of it, unless another's daemon is there. */
async function configuredSocket(flags: CommonFlags): Promise<string | undefined> {
  const input = pathInput(flags);
  const { loadConfig } = await import('../config/load.ts');
  const { shippedCatalog } = await import('../config/package-paths.ts');
  try {
    return loadConfig({ ...input, shippedCatalog: shippedCatalog() }).agent.socket;
  } catch {
    const { salvage } = await import('../config/salvage.ts');
    const { socket } = salvage(input);
    return servedConfig(socket) === undefined ? socket : undefined;
  }
}
