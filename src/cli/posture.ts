/** `warden posture`: are workloads, hosts and OpenBao set up as they should be? Read-only. */
import { type Command, Option } from 'commander';
import { exitOf } from '../checks/check.ts';
import type { Config } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import { pinsOf } from '../openbao/ca-pins.ts';
import { seeRoles } from '../openbao/roles-of.ts';
import { caPosture, usedRoles } from '../posture/ca-rules.ts';
import { type Posture, posturesAsSarif, renderPosture } from '../posture/finding.ts';
import { hostPosture } from '../posture/host-rules.ts';
import { readLattice } from '../posture/lattice-file.ts';
import { manifestPosture, readManifest } from '../posture/manifest.ts';
import { savedHosts } from '../posture/saved-host.ts';
import { readWaivers, waive } from '../posture/waivers.ts';
import { VERSION } from '../version.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, fail, pathInput, print, printJson } from './context.ts';

const CANT_EVALUATE = 2;

interface Flags extends CommonFlags {
  readonly manifest?: string;
  readonly posture?: string;
  readonly host?: readonly string[];
  readonly ca?: boolean;
  readonly waivers?: string;
  readonly format: 'table' | 'json' | 'sarif';
  readonly json?: boolean;
}

function manifestFindings({ manifest, posture }: Flags, uid: number): readonly Posture[] {
  if (manifest === undefined) return [];
  return manifestPosture(readManifest(manifest, uid), readLattice(posture, uid));
}

async function caFindings(config: Config): Promise<readonly Posture[]> {
  const roles = usedRoles(config);
  const names = new Set(roles.map(({ name }) => name));
  return caPosture(config.openbao, roles, await seeRoles(config.openbao, process.env, names, true));
}

async function check(flags: Flags): Promise<void> {
  const { host = [], ca = false, manifest, waivers } = flags;
  const { uid } = pathInput(flags);
  if (manifest === undefined && host.length === 0 && !ca)
    throw new WardenError('usage', 'the posture of what?', { hint: '--manifest FILE, --host DIR, --ca' });
  const config = host.length > 0 || ca ? configOf(flags) : undefined;
  const pinned = config === undefined ? [] : pinsOf(config);
  const found = [
    ...manifestFindings(flags, uid),
    ...host.flatMap(savedHosts).flatMap((saved) => hostPosture(saved, pinned)),
    ...(ca && config !== undefined ? await caFindings(config) : []),
  ];
  const judged = waivers === undefined ? found : waive(found, readWaivers(waivers, uid), Date.now());
  if (flags.format === 'sarif') printJson(posturesAsSarif(judged, VERSION));
  else if (flags.format === 'json' || flags.json === true) printJson(judged);
  else print(renderPosture(judged));
  process.exitCode = exitOf(judged);
}

export function postureCommand(command: Command): void {
  command
    .command('check')
    .description('judge a manifest of workloads, saved hosts, OpenBao’s side; docs/posture.md has the rules')
    .option('--manifest <file>', 'workloads, secrets and who gets which: metadata alone')
    .option('--posture <file>', 'another lattice than the shipped one (catalog/posture/posture.yaml)')
    .option(
      '--host <directory...>',
      'a host that scripts/host-facts has saved, or a directory with one for each',
    )
    .option('--ca', 'the roles that are used, and the server around them')
    .option('--waivers <file>', 'findings that somebody answers for until a day')
    .addOption(
      new Option('--format <form>', 'how to print it').choices(['table', 'json', 'sarif']).default('table'),
    )
    .option('--json', 'the same as --format json')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      `
Exit status: 0 as it should be, 1 something is not, 2 something could not be looked at, and what is unknown never passes.

Examples:
  $ warden posture check --ca --host hosts/
  $ warden posture check --manifest workloads.yaml --format sarif > posture.sarif`,
    )
    .action(async (flags: Flags) => {
      try {
        await check(flags);
      } catch (thrown) {
        fail(thrown);
        process.exitCode = CANT_EVALUATE;
      }
    });
}
