/**
 * A host as `scripts/host-facts` has saved it, in the layout of `warden drift --hosts` and a little more: `sshd-T` (`sshd -T -C …`), for
 * each user with principals `sshd-T.USER`, `ca_user.pub` (its TrustedUserCAKeys), `files` (mode, owner's uid and path of what sshd reads, of
 * each directory above too; `missing` where there is none) and `clock` (its seconds since the epoch, and those of who asked). Left out: asking a host.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';
import { fingerprint, parsePublicKeyLine } from '../ssh/public-key.ts';

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_HOSTS = 10_000;
const MAX_USERS = 1000;

export interface Setting {
  readonly value: string;
  /** `file:line` */
  readonly source: string;
}

/** The output of one `sshd -T`: the first value of each key. */
export interface SshdSettings {
  readonly file: string;
  readonly get: (key: string) => Setting | undefined;
}

export interface FileState {
  readonly path: string;
  /** Permission bits and owner; undefined: there is no such file. */
  readonly state: { readonly mode: number; readonly uid: number } | undefined;
}

export interface SavedHost {
  readonly host: string;
  readonly source: string;
  /** For nobody in particular, then for each user. */
  readonly settings: readonly SshdSettings[];
  /** Why settings are missing, a sentence each. */
  readonly unseen: readonly string[];
  /** Fingerprints of TrustedUserCAKeys, or why there are none. */
  readonly cas: readonly string[] | string;
  readonly files: readonly FileState[] | string;
  /** Its clock minus the asker's, in seconds. */
  readonly skewSeconds: number | string;
}

function linesOf(path: string): readonly string[] {
  const { size } = statSync(path);
  if (size > MAX_FILE_BYTES)
    throw new WardenError('limit_exceeded', `is longer than ${MAX_FILE_BYTES} bytes`);
  return readFileSync(path, 'utf8').split('\n');
}

/** What `read` makes of the file's lines, or a sentence of why that can't be. */
function saved<T>(path: string, read: (lines: readonly string[]) => T): T | string {
  if (!existsSync(path)) return `${basename(path)} was not saved`;
  try {
    return read(linesOf(path));
  } catch (thrown) {
    return `${basename(path)}: ${errnoOf(thrown) || asWardenError(thrown).message}`;
  }
}

function settingsOf(file: string, lines: readonly string[]): SshdSettings {
  const found = new Map<string, Setting>();
  for (const [index, line] of lines.entries()) {
    const [key = '', ...value] = line.trim().split(/\s+/);
    if (key !== '' && !found.has(key.toLowerCase()))
      found.set(key.toLowerCase(), { value: value.join(' '), source: `${file}:${index + 1}` });
  }
  return { file, get: (key) => found.get(key) };
}

function malformed(line: number): WardenError {
  return new WardenError('malformed', `line ${line} is not what scripts/host-facts writes`);
}

function fileStates(lines: readonly string[]): readonly FileState[] {
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const [, mode, uid, there, missing] =
      /^(?:([0-7]{1,4}) (\d{1,10}) (\/.*)|missing (\/.*))$/.exec(line) ?? [];
    const path = there ?? missing;
    if (path === undefined) throw malformed(index + 1);
    const state =
      there === undefined ? undefined : { mode: Number.parseInt(mode ?? '', 8), uid: Number(uid) };
    return [{ path, state }];
  });
}

function skew([line = '']: readonly string[]): number {
  const [, its, asker] = /^(\d{1,12}) (\d{1,12})$/.exec(line) ?? [];
  if (its === undefined) throw malformed(1);
  return Number(its) - Number(asker);
}

function hostIn(source: string): SavedHost {
  const users = readdirSync(source).filter((name) => name.startsWith('sshd-T.'));
  const tooMany = users.length > MAX_USERS ? [`it has more than ${MAX_USERS} users`] : [];
  const settings = ['sshd-T', ...users.sort().slice(0, MAX_USERS)].map((name) => {
    const file = join(source, name);
    return saved(file, (lines) => settingsOf(file, lines));
  });
  return {
    host: basename(resolve(source)),
    source,
    settings: settings.flatMap((each) => (typeof each === 'string' ? [] : [each])),
    unseen: [...settings.flatMap((each) => (typeof each === 'string' ? [each] : [])), ...tooMany],
    cas: saved(join(source, 'ca_user.pub'), (lines) =>
      lines
        .filter((line) => line.trim() !== '' && !line.startsWith('#'))
        .map((line) => fingerprint(parsePublicKeyLine(line).blob)),
    ),
    files: saved(join(source, 'files'), fileStates),
    skewSeconds: saved(join(source, 'clock'), skew),
  };
}

const OF_A_HOST = ['sshd-T', 'ca_user.pub', 'auth_principals', 'files', 'clock'];

/**
 * The host whose directory this is, or the hosts that have one in it. Throws `malformed` where it can't be read or there is none: a
 * directory without hosts is no evidence.
 */
export function savedHosts(directory: string): readonly SavedHost[] {
  try {
    if (OF_A_HOST.some((name) => existsSync(join(directory, name)))) return [hostIn(directory)];
    const names = readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    );
    if (names.length === 0 || names.length > MAX_HOSTS)
      throw new WardenError('malformed', `${directory} holds ${names.length} hosts`, {
        hint: `name a host’s directory, or one with 1 to ${MAX_HOSTS} of them; scripts/host-facts writes them`,
      });
    return names.sort().map((name) => hostIn(join(directory, name)));
  } catch (cause) {
    if (cause instanceof WardenError) throw cause;
    throw new WardenError('malformed', `can't read ${directory}: ${errnoOf(cause) || String(cause)}`, {
      cause,
    });
  }
}
