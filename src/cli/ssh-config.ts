/** `warden ssh-config`: IdentityAgent or CertificateFile for the hosts of lanes, printed, written or taken out again. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { runtimePaths } from '../config/runtime-paths.ts';
import { difference } from '../init/difference.ts';
import {
  byAgent,
  byFile,
  planSshConfig,
  sshConfigFile,
  sshConfigPath,
  writeSshConfig,
} from '../init/ssh-config.ts';
import type { Planned } from '../init/write.ts';
import { account } from '../system/account.ts';
import { action, type CommonFlags, note, pathInput, print, write } from './context.ts';

interface Flags extends CommonFlags {
  readonly file?: string;
  readonly write?: boolean;
  readonly undo?: boolean;
  readonly certificateFiles?: boolean;
  readonly key?: string;
}

function show({ path, text, before }: Planned): void {
  const lines = difference(before ?? '', text);
  print(lines.length === 0 ? `==> ${path} (as it was)` : `==> ${path}\n${lines.join('\n')}`);
}

async function sshConfig(flags: Flags): Promise<void> {
  const input = pathInput(flags);
  // ssh takes its home from the password database, not from $HOME.
  const file = flags.file ?? join(account().homedir, '.ssh', 'config');
  const plan = (text: string | undefined) =>
    planSshConfig(text, sshConfigPath(runtimePaths(input).configFile), file, input.uid);
  if (flags.undo === true) {
    const planned = plan(undefined);
    for (const each of planned) show(each);
    writeSshConfig(planned);
    return;
  }
  const { lanes, agent, stateDir } = loadConfig({ ...input, shippedCatalog: shippedCatalog() });
  const key = flags.key === undefined ? undefined : resolve(flags.key);
  const text = sshConfigFile(
    lanes,
    flags.certificateFiles === true ? byFile(stateDir, key) : byAgent(agent.socket),
  );
  if (flags.write === true) {
    const planned = plan(text);
    for (const each of planned) show(each);
    writeSshConfig(planned);
    return;
  }
  write(text);
  note(`nothing was written: warden ssh-config --write puts this where ${file} includes it`);
}

export function sshConfigCommand(command: Command): void {
  command
    .option(
      '--write',
      'write it, beside warden.yaml, and include it in your ssh_config; shows the difference',
    )
    .option('--undo', 'take both out again')
    .option(
      '--certificate-files',
      'in place of the agent: the certificates that `warden sign` keeps, for lanes whose actor may have them',
    )
    .option('--key <file>', 'with --certificate-files: the private key that they belong to')
    .option('--file <file>', 'your ssh_config; default: ~/.ssh/config')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
For who has another agent in SSH_AUTH_SOCK, or programs that don't inherit it: ssh then asks warden for the hosts of your lanes by
IdentityAgent, and the other agent for all others. Your own lines stay as they are. Run it again after a change of lanes.

Examples:
  $ warden ssh-config
  $ warden ssh-config --write
  $ warden ssh-config --certificate-files --key ~/.ssh/agt-state-hub-bridge_ed25519
  $ warden ssh-config --undo`,
    )
    .action(action(sshConfig));
}
