/** A file with a secret in it, read when it is needed and watched by its inode, size and times: whoever renews the secret writes it anew. */
import { constants } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { errnoOf, WardenError } from '../errors.ts';

export const MAX_SECRET_BYTES = 16 * 1024;

export interface SecretFile {
  readonly path: string;
  /** The trimmed text, or undefined where the file is missing or empty. Throws `no_token`. */
  read(): Promise<string | undefined>;
  /** Whether the file is another than the one that was read last. */
  changed(): Promise<boolean>;
}

/** `what` names it in an error: `token file`. `hint` says what to do where it is none. */
export function secretFile(path: string, what: string, hint: string): SecretFile {
  let seen: string | undefined;
  const signature = (found: { ino: bigint; size: bigint; mtimeNs: bigint; ctimeNs: bigint }) =>
    `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
  return {
    path,
    async read() {
      let file: FileHandle;
      try {
        // Without O_NONBLOCK a FIFO with no writer would hold the login up for ever.
        file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      } catch (cause) {
        seen = undefined;
        if (errnoOf(cause) === 'ENOENT') return undefined;
        throw new WardenError('no_token', `can't read the ${what} ${path}: ${errnoOf(cause)}`, {
          hint: 'make it readable for yourself: chmod 600',
          cause,
        });
      }
      try {
        const found = await file.stat({ bigint: true });
        seen = signature(found);
        if (!found.isFile() || found.size > BigInt(MAX_SECRET_BYTES))
          throw new WardenError('no_token', `${path} is not a ${what}`, { hint });
        const text = (await file.readFile('utf8')).trim();
        return text === '' ? undefined : text;
      } finally {
        await file.close();
      }
    },
    async changed() {
      const now = await stat(path, { bigint: true }).then(signature, () => undefined);
      return now !== seen;
    },
  };
}
