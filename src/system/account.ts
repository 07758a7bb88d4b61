/** Who this process runs as. In containers that may be a number that no password database has: OpenSSH refuses to run for such a user. */
import { homedir, type UserInfo, userInfo } from 'node:os';
import { WardenError } from '../errors.ts';

/** The entry of the password database. Throws `platform` where there is none. */
export function account(): UserInfo<string> {
  try {
    return userInfo();
  } catch (cause) {
    throw new WardenError(
      'platform',
      `user ${process.getuid?.() ?? ''} has no entry in the password database`,
      {
        hint: 'add one to /etc/passwd (ssh needs it too)',
        cause,
      },
    );
  }
}

/** $HOME, else the home of the password database. Throws `platform` where there is neither. */
export function homeDirectory(): string {
  try {
    return homedir();
  } catch (cause) {
    throw new WardenError('platform', `user ${process.getuid?.() ?? ''} has no home directory`, {
      hint: 'set HOME',
      cause,
    });
  }
}
