/** `warden audit`: is the trail what warden wrote, and who signs it? */
import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { EXIT, errnoOf, WardenError } from '../errors.ts';
import { readAuditKey } from '../trail/audit-key.ts';
import { type Checkpoint, readCheckpoint, splitNotes } from '../trail/checkpoint.ts';
import { readEvidence } from '../trail/evidence.ts';
import { encodeVerifierKey, type NoteKey, parseVerifierKey } from '../trail/note.ts';
import { renderVerification } from '../trail/verification.ts';
import { verifyTrail } from '../trail/verify.ts';
import { auditDirectory } from './audit-directory.ts';
import { auditExportCommand } from './audit-export.ts';
import { action, type CommonFlags, print, printJson } from './context.ts';
import { progress } from './progress.ts';

const MAX_ANCHORS_BYTES = 16 * 1024 * 1024;

interface VerifyFlags extends CommonFlags {
  readonly anchor?: string;
  readonly evidence?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** The key that the caller has kept, else the one beside the trail; undefined where there is none. Throws `bad_key`. */
function keyOf(text: string | undefined, directory: string): NoteKey | undefined {
  if (text === undefined) return readAuditKey(dirname(directory));
  const key = parseVerifierKey(text);
  if (key !== undefined) return key;
  throw new WardenError('bad_key', 'what --key names is no key of a trail', {
    hint: 'it is what warden audit key printed: warden-audit/…+…+…',
  });
}

/** A file that was kept elsewhere, and the key to check it with. Throws `bad_key`, `usage`, `limit_exceeded`. */
function readKept(path: string, key: NoteKey | undefined): { readonly text: string; readonly key: NoteKey } {
  if (key === undefined)
    throw new WardenError('bad_key', `there is no key to check ${path} with`, {
      hint: 'name the one that you kept: --key "$(cat key)", as warden audit key printed it',
    });
  try {
    if (statSync(path).size > MAX_ANCHORS_BYTES)
      throw new WardenError('limit_exceeded', `${path} is longer than 16 MiB`);
    return { text: readFileSync(path, 'utf8'), key };
  } catch (thrown) {
    if (thrown instanceof WardenError) throw thrown;
    throw new WardenError('usage', `${path} can't be read: ${errnoOf(thrown)}`);
  }
}

/** The checkpoints in a file. Throws `malformed` where one is none, or not signed by the key. */
function readAnchors(path: string, given: NoteKey | undefined): readonly Checkpoint[] {
  const { text, key } = readKept(path, given);
  const checkpoints = splitNotes(text).map((note) => readCheckpoint(note, key));
  if (checkpoints.length === 0) throw new WardenError('malformed', `${path} holds no checkpoint`);
  return checkpoints.map((checkpoint, index) => {
    if (checkpoint?.signed === true) return checkpoint;
    throw new WardenError('malformed', `checkpoint ${index + 1} of ${path} is not signed by ${key.name}`, {
      hint: 'is it of this trail? its first line names the key; --key takes another',
    });
  });
}

/** The head of the trail in a signed record, as an anchor; none where the trail was empty. Throws as `readEvidence`. */
function readHead(path: string, given: NoteKey | undefined) {
  const { text, key } = readKept(path, given);
  return [readEvidence(text, key)].filter(({ seq }) => seq > 0);
}

export function auditCommand(command: Command): void {
  auditExportCommand(command);
  command
    .command('verify')
    .description(
      'check the chain of the trail over all its files, and its checkpoints: exit 0 intact, 1 changed',
    )
    .option(
      '--anchor <file>',
      'checkpoints that were kept elsewhere: the trail must still hold what they say',
    )
    .option(
      '--evidence <file>',
      'a record by `warden tunnel evidence` or `warden route promote`: signed, and the trail still holds it',
    )
    .option('--key <key>', "who signs them, as `warden audit key` printed it; default: this machine's")
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
Examples:
  $ warden audit verify && echo intact
  $ warden audit verify --anchor /mnt/safe/checkpoints --key "$(cat /mnt/safe/warden.key)"`,
    )
    .action(
      action(async (flags: VerifyFlags) => {
        const directory = auditDirectory(flags);
        const key = keyOf(flags.key, directory);
        const anchors = [
          ...(flags.anchor === undefined ? [] : readAnchors(flags.anchor, key)),
          ...(flags.evidence === undefined ? [] : readHead(flags.evidence, key)),
        ];
        const bar = progress('verifying');
        const result = await verifyTrail(directory, { key, anchors, onProgress: bar.at }).finally(bar.end);
        if (flags.json === true) printJson(result);
        else print(renderVerification(result));
        if (!result.intact) process.exitCode = EXIT.no;
      }),
    );
  command
    .command('key')
    .description("print the public key that signs the trail's checkpoints: keep it where the trail is not")
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden audit key > /mnt/safe/warden.key')
    .action(
      action(async (flags: CommonFlags & { json?: boolean }) => {
        const key = readAuditKey(dirname(auditDirectory(flags)));
        if (key === undefined)
          throw new WardenError('config_missing', 'the trail has no key yet', {
            hint: 'the agent makes it when it starts: warden agent --background',
          });
        const verifierKey = encodeVerifierKey(key);
        if (flags.json === true) printJson({ name: key.name, key: verifierKey });
        else print(verifierKey);
      }),
    );
}
