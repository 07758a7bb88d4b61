/** `warden sign`: a certificate for a tool's own key (ops-warden's `cert_command`, contract 1.0). */
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../config/duration.ts';
import { refusePrivateKey } from '../ssh/private-key-text.ts';
import { readInput } from '../system/read-input.ts';
import { certificateForFile, certificatePath, putFile, tellIssued } from './certificate-for-file.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';

const MAX_KEY_BYTES = 16 * 1024;
const FORMATS = ['cert', 'json', 'path'] as const;

export interface RequestFlags extends CommonFlags {
  readonly ttl?: number;
  readonly principal?: string[];
  readonly reason?: string;
}

interface SignFlags extends RequestFlags {
  readonly pubkey: string;
  readonly out?: string;
  readonly format: (typeof FORMATS)[number];
}

/** Seconds of `15m`, `8h`, or a bare number of hours as in the inventory. */
function parseTtl(text: string): number {
  const ms = parseDuration(/^\d+$/.test(text) ? `${text}h` : text);
  if (ms === undefined || ms < 1000 || ms % 1000 !== 0)
    throw new InvalidArgumentError('a time with a unit, such as 15m or 8h; a bare number is hours');
  return ms / 1000;
}

function collect(value: string, earlier: string[] | undefined): string[] {
  return [...(earlier ?? []), ...value.split(',')];
}

/** The options that `sign` and `issue` share. */
export function requestOptions(command: Command): Command {
  return command
    .option(
      '--ttl <time>',
      "how long it is valid: 15m, 8h; default and most: the actor's ttl_hours",
      parseTtl,
    )
    .option('--principal <name>', "one of the actor's principals; repeatable; default: all of them", collect)
    .option('--reason <text>', 'what it is for: stands in the trail')
    .option('--config <file>', 'the configuration: warden.yaml');
}

/** What they ask for. */
export function requestOf({ ttl, principal, reason }: RequestFlags) {
  return {
    ...(ttl === undefined ? {} : { ttl_seconds: ttl }),
    ...(principal === undefined ? {} : { principals: principal }),
    ...(reason === undefined ? {} : { reason }),
  };
}

/** A private key must not even reach the daemon. All else about the key is looked at where it is signed. Throws `bad_key`. */
async function refusePrivate(text: string, actor: string, flags: CommonFlags): Promise<void> {
  try {
    refusePrivateKey(text);
  } catch (refusal) {
    const { noteRefusal } = await import('./note-refusal.ts');
    await noteRefusal(flags, { command: 'sign', actor }, refusal);
    throw refusal;
  }
}

export function signCommand(command: Command): void {
  requestOptions(
    command
      .argument('<actor>', 'a name of the inventory')
      .requiredOption('--pubkey <file>', 'the public key to certify; - reads it from standard input')
      .option('--out <file>', 'where to keep the certificate; default: ACTOR-cert.pub in state_dir')
      .addOption(command.createOption('--format <what>', 'what to print').choices(FORMATS).default('cert')),
  )
    .addHelpText(
      'after',
      `
Prints the certificate, one line, and nothing else on standard output; or, with --format, where it is kept (path), or all about
it (json). Whatever fails, the exit status is not 0 and the certificate that was there stays. A running agent mints it, unless
BAO_TOKEN or VAULT_TOKEN is set: then that token does.

Prefer the agent where a tool can use SSH_AUTH_SOCK: nothing then lies in a file, and each certificate is for one login.
An adm- actor gets files only where the inventory says files: allow.

Examples:
  $ warden sign agt-state-hub-bridge --pubkey ~/.ssh/agt-state-hub-bridge_ed25519.pub
  $ ssh-add -L | head -1 | warden sign atm-nightly-backup --pubkey - --ttl 15m --out ~/.ssh/backup-cert.pub`,
    )
    .action(
      action(async (actor: string, flags: SignFlags) => {
        const text = await readInput(flags.pubkey, MAX_KEY_BYTES);
        await refusePrivate(text, actor, flags);
        const public_key = text.trim();
        const issued = await certificateForFile(flags, {
          command: 'sign',
          actor,
          public_key,
          ...requestOf(flags),
        });
        const file = flags.out ?? certificatePath(issued);
        putFile(file, `${issued.certificate}\n`);
        tellIssued(issued);
        if (flags.format === 'json') printJson({ ...issued, file });
        else print(flags.format === 'path' ? file : issued.certificate);
      }),
    );
}
