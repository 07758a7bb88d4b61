/**
 * The known_hosts files together, looked at anew at every bind: `StrictHostKeyChecking=accept-new` writes its line
 * just before. A file is read again only when stat(2) says that it changed. A missing file is empty, as for ssh;
 * one that can't be read is a warning, and empty; one that does not answer in time is an error, for it may hold a @revoked line.
 */
import { type BigIntStats, constants } from 'node:fs';
import { open, stat as statFile } from 'node:fs/promises';
import { errnoOf } from '../errors.ts';
import {
  type KnownHosts,
  type KnownHostsLine,
  keysNamed,
  type NamedKey,
  parseKnownHosts,
  speaksOf,
} from './known-hosts.ts';
import { LookTogether } from './look-together.ts';
import { READ_DEADLINE_MS, readWithin } from './read-deadline.ts';

/** 100,000 hashed lines take 15 MB. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** What the files say at one moment. */
export interface KnownHostsView {
  /** The lines of a plain key blob, in the order of the files. */
  readonly linesOf: (key: Buffer) => readonly KnownHostsLine[];
  /** Whether any line but a @revoked one speaks of a name, whatever its key; yes where a file could not be read. */
  readonly knows: (name: string) => boolean;
  /** The keys that lines give for a name, file by file. */
  readonly keysNamed: (name: string) => readonly NamedKey[];
  /** One line for people for each file that could not be read, and for each that has bad lines. */
  readonly warnings: readonly string[];
}

interface Read {
  /** Identity and times of the file when it was read. */
  readonly stamp: string;
  readonly content: KnownHosts;
  readonly warning: string | undefined;
  /** Whether there is a file that could not be read. */
  readonly unreadable: boolean;
}

const EMPTY: KnownHosts = { byKey: new Map(), badLines: 0 };

const MISSING: Read = { stamp: '', content: EMPTY, warning: undefined, unreadable: false };

function isMissing(errno: string): boolean {
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

function stampOf(stat: BigIntStats): string {
  return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(':');
}

function unreadable(file: string, why: string): Read {
  return {
    stamp: '',
    content: EMPTY,
    warning: `${file} can't be used as known_hosts: ${why}`,
    unreadable: true,
  };
}

/** Reads the file, or returns `before` where it has not changed since. */
async function look(file: string, before: Read | undefined): Promise<Read> {
  // The usual case in one call of the system; whatever else is the matter, opening the file says it.
  if (before !== undefined) {
    const now = await statFile(file, { bigint: true }).catch(errnoOf);
    if (typeof now !== 'string' && before.stamp === stampOf(now)) return before;
    if (typeof now === 'string' && isMissing(now)) return MISSING;
  }
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // O_NONBLOCK: opening a named pipe must not wait for its writer.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (isMissing(errno)) return MISSING;
    return unreadable(file, errno);
  }
  try {
    // Taken before the content: what is written meanwhile changes the next look's stamp.
    const stat = await handle.stat({ bigint: true });
    const stamp = stampOf(stat);
    if (!stat.isFile()) return unreadable(file, 'it is not a regular file');
    if (stat.size > MAX_FILE_BYTES) return unreadable(file, `it is larger than ${MAX_FILE_BYTES} bytes`);
    const content = parseKnownHosts(await handle.readFile('latin1'), file);
    const warning =
      content.badLines > 0
        ? `${file} has lines that are no known_hosts lines: ${content.badLines}`
        : undefined;
    return { stamp, content, warning, unreadable: false };
  } catch (thrown) {
    return unreadable(file, errnoOf(thrown));
  } finally {
    await handle.close();
  }
}

/** Keeps the parsed files between binds. */
export class KnownHostsStore {
  readonly #files: readonly string[];
  readonly #read = new Map<string, Read>();
  readonly #together = new LookTogether<KnownHostsView>();

  /** Takes absolute paths; the order is the order of `linesOf`. */
  constructor(files: readonly string[]) {
    this.#files = files;
  }

  /** Looks at every file. Throws WardenError `limit_exceeded` where one does not answer in time. */
  look(): Promise<KnownHostsView> {
    return this.#together.at('', () => this.#look());
  }

  async #look(): Promise<KnownHostsView> {
    const reads = await Promise.all(
      this.#files.map((file) => readWithin(file, READ_DEADLINE_MS, () => look(file, this.#read.get(file)))),
    );
    for (const [index, file] of this.#files.entries()) {
      const read = reads[index];
      if (read !== undefined) this.#read.set(file, read);
    }
    return {
      linesOf: (key) => {
        const base64 = key.toString('base64');
        return reads.flatMap(({ content }) => content.byKey.get(base64) ?? []);
      },
      knows: (name) => reads.some(({ content, unreadable }) => unreadable || speaksOf(content, name)),
      keysNamed: (name) => reads.flatMap(({ content }) => keysNamed(content, name)),
      warnings: reads.flatMap(({ warning }) => warning ?? []),
    };
  }
}
