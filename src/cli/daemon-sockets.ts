/** Where the daemon's control socket may be, by the configuration if there is a good one. */
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { controlSockets } from '../control/client.ts';
import { type CommonFlags, pathInput } from './context.ts';

/** Never throws: with an unusable configuration the daemon runs as a relay on the default socket. */
export function daemonSockets(flags: CommonFlags): readonly string[] {
  const input = pathInput(flags);
  try {
    return controlSockets(input, loadConfig({ ...input, shippedCatalog: shippedCatalog() }).agent.socket);
  } catch {
    return controlSockets(input, undefined);
  }
}
