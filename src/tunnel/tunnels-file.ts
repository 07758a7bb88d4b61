/**
 * ops-bridge's tunnels.yaml, as far as a readiness gate needs it (ops-bridge's documentation): `tunnels.NAME` with host, ssh_user, ssh_key,
 * actor, cert_command. It is another program's file, so keys that we don't know are let through. Left out: everything that runs a tunnel.
 */
import { join } from 'node:path';
import * as z from 'zod';
import { requireSchema } from '../config/check-schema.ts';
import { type Environment, expandHome, set } from '../config/runtime-paths.ts';
import { readYamlFile } from '../config/yaml-file.ts';
import { WardenError } from '../errors.ts';

const text = z.string().min(1).max(4096);

const tunnelsSchema = z.looseObject({
  tunnels: z.record(
    text,
    z.looseObject({
      host: text,
      actor: text,
      ssh_key: text,
      ssh_user: text.optional(),
      cert_command: text.optional(),
    }),
  ),
});

export interface Tunnel {
  readonly name: string;
  readonly host: string;
  readonly actor: string;
  readonly user: string | undefined;
  /** The private key's path; never read. */
  readonly key: string;
  readonly certCommand: string | undefined;
}

/** `$BRIDGE_CONFIG`, else `~/.config/bridge/tunnels.yaml`. */
export function tunnelsPath(env: Environment, home: string): string {
  const named = set(env['BRIDGE_CONFIG']);
  return named === undefined ? join(home, '.config', 'bridge', 'tunnels.yaml') : expandHome(named, home);
}

/** One tunnel. Throws ConfigError, and `config_missing` where there is no such file or tunnel. */
export function readTunnel(path: string, name: string, home: string): Tunnel {
  const file = readYamlFile(path, undefined);
  if (file === undefined)
    throw new WardenError('config_missing', `there is no ${path}`, {
      hint: 'set BRIDGE_CONFIG to ops-bridge’s tunnels.yaml',
    });
  const { tunnels } = requireSchema(file, tunnelsSchema);
  const found = tunnels[name];
  if (found === undefined)
    throw new WardenError('config_missing', `${path} has no tunnel ${JSON.stringify(name)}`, {
      hint: `it has: ${Object.keys(tunnels).join(', ')}`,
    });
  return {
    name,
    host: found.host,
    actor: found.actor,
    user: found.ssh_user,
    key: expandHome(found.ssh_key, home),
    certCommand: found.cert_command,
  };
}
