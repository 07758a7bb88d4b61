/** `warden tunnel`: is a tunnel ready for certificates, and the record that it has been switched. */
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { listIssuances } from '../activity/issuances.ts';
import { type Check, exitOf, renderChecks } from '../checks/check.ts';
import { WardenError } from '../errors.ts';
import { seeRoles } from '../openbao/roles-of.ts';
import { readInput } from '../system/read-input.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { auditKey, readAuditKey } from '../trail/audit-key.ts';
import { signEvidence } from '../trail/evidence.ts';
import { verifyTrail } from '../trail/verify.ts';
import { evidence } from '../tunnel/evidence.ts';
import { readiness } from '../tunnel/readiness.ts';
import { readTunnel, type Tunnel, tunnelsPath } from '../tunnel/tunnels-file.ts';
import { certificateForFile, putFile } from './certificate-for-file.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, fail, print, printJson, write } from './context.ts';

const MAX_KEY_BYTES = 16 * 1024;
const CANT_EVALUATE = 2;
const ALL_DAYS = 36_500;

interface CheckFlags extends CommonFlags {
  readonly actor?: string;
  readonly pubkey?: string;
  readonly infra?: string;
  readonly signSmoke?: boolean;
  readonly json?: boolean;
}

interface EvidenceFlags extends CommonFlags {
  readonly sshdLog?: string;
  readonly events?: string;
  readonly rollbackTested?: boolean;
  readonly oldKeyRemoved?: boolean;
  readonly out?: string;
}

function tunnelOf(name: string): Tunnel {
  return readTunnel(tunnelsPath(process.env, homedir()), name, homedir());
}

async function gate(
  { actor, pubkey, certCommand }: { actor: string; pubkey: string; certCommand: string | undefined },
  flags: CheckFlags,
): Promise<readonly Check[]> {
  const config = configOf(flags);
  const text = await readInput(pubkey, MAX_KEY_BYTES).catch((thrown: unknown) =>
    thrown instanceof Error ? thrown : new Error(String(thrown)),
  );
  const role = async (name: string) => {
    const { roles } = await seeRoles(config.openbao, { ...process.env }, new Set([name]));
    return roles.get(name) ?? 'it was not asked';
  };
  const smoke = (public_key: string, ttl_seconds: number) =>
    certificateForFile(flags, { command: 'sign', actor, public_key, ttl_seconds, reason: 'readiness smoke' });
  return readiness({
    config,
    actor,
    publicKey: text,
    role,
    infra: flags.infra,
    certCommand,
    smoke: flags.signSmoke === true ? smoke : undefined,
  });
}

async function check(name: string | undefined, flags: CheckFlags): Promise<void> {
  const tunnel = name === undefined ? undefined : tunnelOf(name);
  const actor = flags.actor ?? tunnel?.actor;
  const pubkey = flags.pubkey ?? (tunnel === undefined ? undefined : `${tunnel.key}.pub`);
  if (actor === undefined || pubkey === undefined)
    throw new WardenError('usage', 'which tunnel?', { hint: 'name one, or say --actor and --pubkey' });
  const checks = await gate({ actor, pubkey, certCommand: tunnel?.certCommand }, flags);
  if (flags.json === true) printJson(checks);
  else print(renderChecks(checks));
  process.exitCode = exitOf(checks);
}

async function writeEvidence(name: string, flags: EvidenceFlags): Promise<void> {
  const tunnel = tunnelOf(name);
  const { stateDir } = configOf(flags);
  const audit = join(stateDir, 'audit');
  const { issuances } = await listIssuances(audit, { days: ALL_DAYS, now: Date.now(), actor: tunnel.actor });
  const verified = await verifyTrail(audit, { key: readAuditKey(stateDir) });
  if (!verified.intact)
    throw new WardenError('trail_tampered', 'the trail is not what warden wrote: no evidence from it', {
      hint: 'warden audit verify',
    });
  const checks = await gate(
    { actor: tunnel.actor, pubkey: `${tunnel.key}.pub`, certCommand: tunnel.certCommand },
    flags,
  );
  const { record, lacks } = evidence({
    tunnel,
    operator: userInfo().username,
    now: Date.now(),
    issuances,
    gateExit: exitOf(checks),
    trailHead: verified.head,
    sshdLog: flags.sshdLog,
    bridgeEvents: flags.events,
    rollbackTested: flags.rollbackTested === true,
    oldKeyRemoved: flags.oldKeyRemoved === true,
  });
  const note = signEvidence(record, auditKey(stateDir));
  if (flags.out === undefined) write(note);
  else putFile(flags.out, note);
  for (const lack of lacks) process.stderr.write(`${sanitizeLine(`warden: it lacks: ${lack}`)}\n`);
  if (lacks.length > 0) process.exitCode = 1;
}

export function tunnelCommand(command: Command): void {
  command
    .command('check [name]')
    .description(
      'is a tunnel of ops-bridge ready for certificates? exit 0 ready, 1 not, 2 could not be looked at',
    )
    .option('--actor <actor>', 'in place of the tunnel’s')
    .option('--pubkey <file>', 'in place of the tunnel’s key')
    .option('--infra <file>', 'YAML that names the principals which hosts accept: ssh_principals.yaml')
    .option('--sign-smoke', 'have one certificate of five minutes signed, and look at it')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      '\nReads tunnels.yaml of ops-bridge (BRIDGE_CONFIG).\n\nExample:\n  $ warden tunnel check state-hub-coulombcore --sign-smoke',
    )
    .action(async (name: string | undefined, flags: CheckFlags) => {
      try {
        await check(name, flags);
      } catch (thrown) {
        fail(thrown);
        process.exitCode = CANT_EVALUATE;
      }
    });
  command
    .command('evidence <name>')
    .description('the record that a tunnel has been switched: exit 0 complete, 1 it lacks something')
    .option('--sshd-log <file>', 'sshd’s log of the host, or a copy')
    .option('--events <file>', 'ops-bridge’s event log')
    .option('--rollback-tested', 'you have tried the way back')
    .option('--old-key-removed', 'the key alone opens the host no more')
    .option('--out <file>', 'where to write it')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      '\nHolds nothing secret. JSON, signed with the trail’s key: warden audit verify --evidence FILE checks it.\n\nExample:\n  $ warden tunnel evidence state-hub-coulombcore --sshd-log auth.log --events bridge.jsonl --out cutover.json',
    )
    .action(action(writeEvidence));
}
