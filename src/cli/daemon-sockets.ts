/** Where the daemon's control socket may be: by the configuration if there is a good one, and by what daemons have left. */
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { runtimePaths } from '../config/runtime-paths.ts';
import { salvage } from '../config/salvage.ts';
import { controlSockets } from '../control/client.ts';
import { servedConfig, socketsOfConfig } from '../control/signposts.ts';
import { type CommonFlags, pathInput } from './context.ts';

/**
 * The likeliest first; never throws. The configuration may have been broken or changed since the daemon started, so the daemons of this
 * configuration are looked for too; those of another one are nobody's business here (`--stop` must not find them).
 */
export function daemonSockets(flags: CommonFlags): readonly string[] {
  const input = pathInput(flags);
  const [early] = runtimePaths(input).sockets;
  if (early !== undefined && early.origin !== 'default') return controlSockets([early.value]);
  const left = socketsOfConfig(input);
  try {
    return controlSockets([loadConfig({ ...input, shippedCatalog: shippedCatalog() }).agent.socket, ...left]);
  } catch {
    const { socket } = salvage(input);
    return controlSockets(servedConfig(socket) === undefined ? [...left, socket] : left);
  }
}
