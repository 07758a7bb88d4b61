/** `warden init`: a configuration from a few answers; `--server`: the script for OpenBao's administrator; `--undo`: all of it gone. */

import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { runtimeDirs, runtimePaths } from '../config/runtime-paths.ts';
import { fetchStatus } from '../control/client.ts';
import { EXIT, WardenError } from '../errors.ts';
import { checkFlags, type InitFlags, runInit } from '../init/init.ts';
import { manifestPath } from '../init/manifest.ts';
import { serverScript } from '../init/server-script.ts';
import { proposedRole, wordsOf } from '../init/set-up.ts';
import { openTerminal, type Terminal } from '../init/terminal.ts';
import { removeState, undoFiles } from '../init/undo.ts';
import { account } from '../system/account.ts';
import { action, type CommonFlags, note, pathInput, print, write } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

type AllFlags = CommonFlags & InitFlags & { server?: boolean; undo?: boolean; state?: boolean };

function printServerScript(flags: AllFlags): void {
  checkFlags(flags);
  write(
    serverScript({
      mount: flags.mount ?? 'ssh',
      role: flags.role ?? proposedRole('adm'),
      principals: wordsOf(flags.principals ?? account().username),
      namespace: flags.namespace,
    }),
  );
}

async function init(flags: AllFlags, terminal: Terminal | undefined): Promise<void> {
  const input = pathInput(flags);
  const { files, script } = await runInit({
    input: { ...input, env: { ...process.env } },
    flags,
    terminal,
    localUser: account().username,
    env: process.env,
    today: new Date().toISOString().slice(0, 10),
    say: note,
  });
  for (const { path, text, before } of files)
    print(`==> ${path}${text === before ? ' (as it was)' : ''}\n${text}`);
  if (script !== undefined) write(script);
  const { file } = loadConfig({ ...input, shippedCatalog: shippedCatalog() });
  note(`configuration is good: ${file ?? ''}`);
  note(
    'next: eval "$(warden agent --background)", then ssh HOST; and where it does not work: warden doctor HOST',
  );
}

/** The directories in which a daemon of this configuration keeps its sockets, and its state; read before the configuration goes. */
function placesOf(flags: AllFlags): { readonly stateDir: string; readonly sockets: readonly string[] } {
  const input = pathInput(flags);
  const places = (stateDir: string, more: readonly string[]) => ({
    stateDir,
    sockets: [...runtimeDirs(input, stateDir), ...more],
  });
  try {
    const { stateDir, agent } = loadConfig({ ...input, shippedCatalog: shippedCatalog() });
    return places(stateDir, [dirname(agent.socket)]);
  } catch {
    return places(runtimePaths(input).stateDir.value, []);
  }
}

async function undo(flags: AllFlags, terminal: Terminal | undefined): Promise<void> {
  const input = pathInput(flags);
  const running = await fetchStatus(daemonSockets(flags)).catch(() => undefined);
  if (running !== undefined) {
    throw new WardenError(
      'socket_in_use',
      `the agent runs with this configuration (process ${running.pid})`,
      {
        hint: 'stop it first: warden agent --stop',
      },
    );
  }
  const { configFile } = runtimePaths(input);
  const { stateDir, sockets } = placesOf(flags);
  const question = `Remove ${stateDir} too? The trail in it is the only record here of what was issued.`;
  const withState = flags.state ?? (await terminal?.confirm(question)) ?? false;
  // The state first: its directory may be one that init made.
  if (withState) for (const path of removeState(stateDir, sockets)) print(`removed ${path}`);
  const undone = undoFiles(configFile, input.uid, flags.force === true);
  if (undone === undefined && !withState) {
    const what = `warden init has written nothing here: no ${manifestPath(configFile)}`;
    throw new WardenError('config_missing', what, {
      hint: 'what was written by hand goes by hand: README, "Undo everything"',
    });
  }
  const { removed, restored, kept } = undone ?? { removed: [], restored: [], kept: [] };
  for (const path of removed) print(`removed ${path}`);
  for (const path of restored) print(`restored ${path}`);
  for (const path of kept) note(`kept ${path}: it was changed since init wrote it (--force removes it)`);
  if (existsSync(stateDir)) {
    const left = readdirSync(stateDir).join(', ');
    note(
      `kept ${stateDir}: ${withState ? `other things are in it: ${left}` : 'the trail (--state removes it)'}`,
    );
  }
  if (kept.length > 0) process.exitCode = EXIT.no;
}

export function initCommand(command: Command): void {
  command
    .option('--addr <url>', "OpenBao's address; default: BAO_ADDR")
    .option('--mount <path>', 'where its SSH engine is mounted; default: ssh, or the only one')
    .option('--namespace <name>', 'its namespace')
    .option('--actor <name>', 'who you are: adm-NAME, agt-NAME or atm-NAME')
    .option('--role <name>', 'the role that signs for you')
    .option('--hosts <patterns>', 'where you log in: names, networks, globs; comma-separated')
    .option('--principals <names>', 'the users that you log in as there; default: what the role allows')
    .option(
      '--logins <names>',
      'the same where hosts map principals (AuthorizedPrincipalsFile); default: the principals',
    )
    .option('--lane <id>', 'the name of the lane and its file; default: my-hosts')
    .option('--force', 'replace files that differ; with --undo: remove files that were changed')
    .option('--server', 'print the script for OpenBao’s administrator, and do nothing else')
    .option('--undo', 'remove what init wrote')
    .option('--state', 'with --undo: also the trail and all that the agent keeps')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
Asks what no option says. Writes warden.yaml, inventory.yaml and a lane in catalog/, and shows them.

Examples:
  $ warden init
  $ warden init --addr https://bao.example.com:8200 --actor adm-you --role warden-jit-adm --principals ops --hosts '*.example.com'
  $ warden init --server --principals ops > setup.sh
  $ warden init --undo --state`,
    )
    .action(
      action(async (flags: AllFlags) => {
        if (flags.server === true) return printServerScript(flags);
        const terminal = openTerminal();
        try {
          await (flags.undo === true ? undo(flags, terminal) : init(flags, terminal));
        } finally {
          terminal?.close();
        }
      }),
    );
}
