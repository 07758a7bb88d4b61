/** `warden sign`: a certificate for a tool's own key (ops-warden's `cert_command`, contract 1.0). */
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.ts';
import { WardenError } from '../errors.ts';
import type { FileCertificate } from '../issuance/file-request.ts';
import { refusePrivateKey } from '../ssh/private-key-text.ts';
import { readInput } from '../system/read-input.ts';
import { certificateForFile, certificatePath, putFile, tellIssued } from './certificate-for-file.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { declareOptions, type Flags, type Options } from './options.ts';

const MAX_KEY_BYTES = 16 * 1024;
/** What `sign` and `issue` have in common. */
export const REQUEST_OPTIONS = {
  ttl: {
    type: 'string',
    value: '<time>',
    about: "how long it is valid: 15m, 8h; default and most: the actor's ttl_hours",
  },
  principal: {
    type: 'string',
    value: '<name>',
    multiple: true,
    about: "one of the actor's principals; repeatable; default: all of them",
  },
  reason: { type: 'string', value: '<text>', about: 'what it is for: stands in the trail' },
  config: { type: 'string', value: '<file>', about: 'the configuration: warden.yaml' },
} as const satisfies Options;

export const SIGN_OPTIONS = {
  pubkey: {
    type: 'string',
    value: '<file>',
    required: true,
    about: 'the public key to certify; - reads it from standard input',
  },
  out: {
    type: 'string',
    value: '<file>',
    about: 'where to keep the certificate; default: ACTOR-cert.pub in state_dir',
  },
  format: {
    type: 'string',
    value: '<what>',
    choices: ['cert', 'json', 'path'],
    default: 'cert',
    about: 'what to print',
  },
  ...REQUEST_OPTIONS,
} as const satisfies Options;

export type SignFlags = Flags<typeof SIGN_OPTIONS>;

/** Seconds of `15m`, `8h`, or a bare number of hours as in the inventory. Throws `usage`. */
function secondsOf(text: string): number {
  const ms = parseDuration(/^\d+$/.test(text) ? `${text}h` : text);
  if (ms === undefined || ms < 1000 || ms % 1000 !== 0)
    throw new WardenError('usage', `--ttl ${text} is no time`, {
      hint: 'write it with a unit, such as 15m or 8h; a bare number is hours',
    });
  return ms / 1000;
}

/** What they ask for. */
export function requestOf({ ttl, principal, reason }: Flags<typeof REQUEST_OPTIONS>) {
  return {
    ...(ttl === undefined ? {} : { ttl_seconds: secondsOf(ttl) }),
    ...(principal === undefined ? {} : { principals: principal.flatMap((names) => names.split(',')) }),
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

/** The public key that is asked about. Throws what `readInput` throws. */
export async function readKey(path: string): Promise<string> {
  return (await readInput(path, MAX_KEY_BYTES)).trim();
}

/** Keeps the certificate where it was asked for, and prints what was asked for. Throws `state_unwritable`. */
export function keepCertificate(issued: FileCertificate, flags: SignFlags): void {
  const file = flags.out ?? certificatePath(issued);
  putFile(file, `${issued.certificate}\n`);
  tellIssued(issued);
  if (flags.format === 'json') printJson({ ...issued, file });
  else print(flags.format === 'path' ? file : issued.certificate);
}

async function sign(actor: string, flags: SignFlags): Promise<void> {
  const request = requestOf(flags);
  const public_key = await readKey(flags.pubkey ?? '');
  await refusePrivate(public_key, actor, flags);
  keepCertificate(await certificateForFile(flags, { command: 'sign', actor, public_key, ...request }), flags);
}

export function signCommand(command: Command): void {
  declareOptions(command.argument('<actor>', 'a name of the inventory'), SIGN_OPTIONS)
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
    .action(action(sign));
}
