/** `warden drift`: do inventory and lanes, OpenBao's roles and the hosts say the same? Read-only. */
import type { Command } from 'commander';
import type { Lane } from '../catalog/lane.ts';
import { fetchStatus } from '../control/client.ts';
import { driftExit, renderDrift, sarif } from '../drift/finding.ts';
import { hostsFromAnsible, hostsFromDirectory } from '../drift/host-files.ts';
import { hostsOverSsh } from '../drift/host-ssh.ts';
import { hostDrift, unseenHosts } from '../drift/hosts.ts';
import { roleDrift, roleNeeds } from '../drift/roles.ts';
import { errnoOf, WardenError } from '../errors.ts';
import { caPins } from '../openbao/ca-pins.ts';
import { seeRoles } from '../openbao/roles-of.ts';
import { VERSION } from '../version.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, fail, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';

const CANT_EVALUATE = 2;

interface Flags extends CommonFlags {
  readonly hosts?: string;
  readonly principals?: string;
  /** True: every host that a lane names. */
  readonly ssh?: true | readonly string[];
  readonly login?: string;
  readonly sudo?: boolean;
  readonly json?: boolean;
  readonly sarif?: boolean;
}

function hostsOf(flags: Flags) {
  try {
    return [
      ...(flags.hosts === undefined ? [] : hostsFromDirectory(flags.hosts)),
      ...(flags.principals === undefined ? [] : hostsFromAnsible(flags.principals)),
    ];
  } catch (cause) {
    if (cause instanceof WardenError) throw cause;
    throw new WardenError('malformed', `can't look at the hosts' files: ${errnoOf(cause) || String(cause)}`, {
      cause,
    });
  }
}

/** Hosts that lanes name one by one. */
function namedHosts(lanes: readonly Lane[]): readonly string[] {
  return lanes.flatMap(({ hosts }) => hosts.flatMap((each) => (each.kind === 'exact' ? [each.text] : [])));
}

/** Throws `not_running`. */
async function askedHosts(flags: Flags, lanes: readonly Lane[]) {
  if (flags.ssh === undefined) return [];
  const { socket } = await fetchStatus(daemonSockets(flags));
  const { login, sudo = false } = flags;
  const names = flags.ssh === true ? namedHosts(lanes) : flags.ssh;
  return hostsOverSsh(names, { socket, login, sudo, env: process.env });
}

async function run(flags: Flags): Promise<void> {
  const config = configOf(flags);
  const { openbao, stateDir, lanes } = config;
  const needs = roleNeeds(config);
  const { roles } = await seeRoles(openbao, process.env, new Set(needs.map(({ name }) => name)));
  const hosts = [...hostsOf(flags), ...(await askedHosts(flags, lanes))];
  const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
  const pinned = caPins({
    configured: openbao.sshCa,
    stateDir,
    server,
    learn: () => Promise.resolve([]),
  }).known();
  const found = [
    ...needs.flatMap((need) =>
      roleDrift(need, roles.get(need.name) ?? 'it was not asked', openbao.keyId, openbao.mount),
    ),
    ...hosts.flatMap((facts) => hostDrift(config, facts, pinned)),
    ...(hosts.length === 0 ? [] : unseenHosts(lanes, hosts)),
  ];
  if (flags.sarif === true) printJson(sarif(found, VERSION));
  else if (flags.json === true) printJson(found);
  else print(renderDrift(found));
  process.exitCode = driftExit(found);
}

export function driftCommand(command: Command): void {
  command
    .option(
      '--hosts <directory>',
      'one directory for each host: auth_principals/USER, and sshd-T, ca_user.pub where they were copied',
    )
    .option('--principals <file>', 'an Ansible file of principals: HOST: USER: [principal]')
    .option(
      '--ssh [host...]',
      'ask hosts over ssh, with certificates of the running agent: these, or every host that a lane names',
    )
    .option(
      '--login <user>',
      'with --ssh: who logs in there; default: as ssh would. sshd -T answers root alone',
    )
    .option('--sudo', 'with --ssh: read by sudo -n')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .option('--sarif', 'for a viewer of findings')
    .addHelpText(
      'after',
      `
Rows: + there and not wanted, - wanted and not there, ~ different or not to be seen. Exit status: 0 in sync, 1 drift, 2 something
could not be looked at. It changes nothing, neither here nor there.

Examples:
  $ warden drift --principals railiance-infra/ansible/inventory/ssh_principals.yaml
  $ warden drift --ssh --login root`,
    )
    .action(async (flags: Flags) => {
      try {
        await run(flags);
      } catch (thrown) {
        fail(thrown);
        process.exitCode = CANT_EVALUATE;
      }
    });
}
