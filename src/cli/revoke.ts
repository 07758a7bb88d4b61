/** `warden revoke`: the line that revokes one certificate, and what to do with it. */
import type { Command } from 'commander';
import { listIssuances } from '../activity/issuances.ts';
import { describeRevoked, krlLine, parseSerial } from '../activity/revocation.ts';
import { WardenError } from '../errors.ts';
import { auditDirectory } from './audit-directory.ts';
import { action, type CommonFlags, note, print, printJson } from './context.ts';

/** No trail is older. */
const ALL_DAYS = 36_500;

async function revoke(word: string, flags: CommonFlags & { json?: boolean }): Promise<void> {
  const serial = parseSerial(word);
  if (serial === undefined) {
    throw new WardenError('usage', `${JSON.stringify(word)} is no serial of a certificate`, {
      hint: 'the number that warden activity, sshd’s log or ssh-keygen -L prints',
    });
  }
  const now = Date.now();
  const { issuances } = await listIssuances(auditDirectory(flags), { days: ALL_DAYS, now });
  const issuance = issuances.find(({ cert }) => cert?.serial === serial);
  if (flags.json === true) {
    printJson({ serial, krl: krlLine(serial), issuance: issuance ?? null });
    return;
  }
  print(krlLine(serial));
  note(describeRevoked(issuance, now));
  note(
    'put the line into the KRL of your hosts, with the public key of the CA that signed (-u: one that is there already):',
  );
  note('  bao read -field=public_key ssh/config/ca > warden_user_ca.pub');
  note(`  warden revoke ${serial} | ssh-keygen -k -u -f revoked_keys -s warden_user_ca.pub -`);
  note('and the KRL where sshd looks at each login: RevokedKeys /etc/ssh/revoked_keys in sshd_config');
}

export function revokeCommand(command: Command): void {
  command
    .argument('<serial>')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText(
      'after',
      `
For certificates in files (warden sign, warden issue). One that the agent minted is gone with its login and ends within minutes.

Example:
  $ warden revoke 1234567890 | ssh-keygen -k -f revoked_keys -s warden_user_ca.pub -`,
    )
    .action(action(revoke));
}
