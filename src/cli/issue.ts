/** `warden issue`: a new key and its certificate in a directory, for programs that have no key of their own. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { WardenError } from '../errors.ts';
import { newKeyPairFiles } from '../ssh/private-key-file.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { certificateForFile, putFile, tellIssued } from './certificate-for-file.ts';
import { action, print, printJson } from './context.ts';
import { declareOptions, type Flags, type Options } from './options.ts';
import { REQUEST_OPTIONS, requestOf } from './sign.ts';

const ISSUE_OPTIONS = {
  out: {
    type: 'string',
    value: '<directory>',
    about: 'a directory of yours that nobody else may enter; default: keys in state_dir',
  },
  json: { type: 'boolean', about: 'for a program' },
  ...REQUEST_OPTIONS,
} as const satisfies Options;

export function issueCommand(command: Command): void {
  declareOptions(command.argument('<actor>', 'an agt- or atm- name of the inventory'), ISSUE_OPTIONS)
    .addHelpText(
      'after',
      `
Writes ACTOR, ACTOR.pub and ACTOR-cert.pub there (0600), which ssh -i DIRECTORY/ACTOR uses together, and prints the key's path.
People bring their own key: warden sign. Prefer the agent where a tool can use SSH_AUTH_SOCK.

Example:
  $ ssh -i "$(warden issue atm-nightly-backup --out ~/.ssh/backup --ttl 30m)" backup@store1`,
    )
    .action(
      action(async (actor: string, flags: Flags<typeof ISSUE_OPTIONS>) => {
        if (actor.startsWith('adm-')) {
          const refusal = new WardenError(
            'actor_not_allowed',
            'people bring their own key: warden makes none for adm- actors',
            { hint: `warden sign ${actor} --pubkey ~/.ssh/id_ed25519.pub` },
          );
          const { noteRefusal } = await import('./note-refusal.ts');
          await noteRefusal(flags, { command: 'issue', actor }, refusal);
          throw refusal;
        }
        if (flags.out !== undefined) ensurePrivateDirectory(resolve(flags.out));
        const pair = newKeyPairFiles(actor);
        const issued = await certificateForFile(flags, {
          command: 'issue',
          actor,
          public_key: pair.publicKey,
          ...requestOf(flags),
        });
        const directory = flags.out ?? join(issued.state_dir, 'keys');
        ensurePrivateDirectory(resolve(directory));
        const key = join(directory, actor);
        putFile(key, pair.privateKey);
        putFile(`${key}.pub`, `${pair.publicKey}\n`);
        putFile(`${key}-cert.pub`, `${issued.certificate}\n`);
        tellIssued(issued);
        if (flags.json === true) printJson({ ...issued, key, file: `${key}-cert.pub` });
        else print(key);
      }),
    );
}
