/**
 * The sftp subsystem (draft-ietf-secsh-filexfer-02, version 3), as much as scp and sftp need: files, directories, attributes, renames.
 * Paths are the file system's own, but everything outside the root is refused, also through links. Left out: links, extensions.
 */
import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rmdir,
  stat,
  unlink,
  utimes,
} from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import ssh2, { type Attributes, type SFTPWrapper } from 'ssh2';
import { errnoOf } from '../errors.ts';

const { STATUS_CODE: STATUS, OPEN_MODE } = ssh2.utils.sftp;
const MAX_HANDLES = 256;
const MAX_READ = 256 * 1024;
const NAMES_PER_ANSWER = 100;

type Handle =
  | { readonly kind: 'file'; readonly file: FileHandle; readonly append: boolean }
  | { readonly kind: 'directory'; readonly path: string; names: string[] };

class Refused extends Error {
  readonly status: number;

  constructor(status: number) {
    super(`sftp status ${status}`);
    this.status = status;
  }
}

function statusOf(error: unknown): number {
  if (error instanceof Refused) return error.status;
  const errno = errnoOf(error);
  if (errno === 'ENOENT' || errno === 'ENOTDIR') return STATUS.NO_SUCH_FILE;
  return errno === 'EACCES' || errno === 'EPERM' ? STATUS.PERMISSION_DENIED : STATUS.FAILURE;
}

function attributes(stats: Stats): Attributes {
  return {
    mode: stats.mode,
    uid: stats.uid,
    gid: stats.gid,
    size: stats.size,
    atime: Math.floor(stats.atimeMs / 1000),
    mtime: Math.floor(stats.mtimeMs / 1000),
  };
}

/** sftp's open flags as open(2)'s. ssh2's own flagsToString knows no WRITE|CREAT without TRUNC, with which OpenSSH's scp opens. */
function openFlags(flags: number): number {
  const has = (flag: number) => (flags & flag) !== 0;
  const access = has(OPEN_MODE.READ)
    ? has(OPEN_MODE.WRITE)
      ? constants.O_RDWR
      : constants.O_RDONLY
    : constants.O_WRONLY;
  return (
    access |
    (has(OPEN_MODE.APPEND) ? constants.O_APPEND : 0) |
    (has(OPEN_MODE.CREAT) ? constants.O_CREAT : 0) |
    (has(OPEN_MODE.TRUNC) ? constants.O_TRUNC : 0) |
    (has(OPEN_MODE.EXCL) ? constants.O_EXCL : 0)
  );
}

/** What `ls -l` in sftp shows. */
function longName(name: string, stats: Stats): string {
  const type = stats.isDirectory() ? 'd' : '-';
  const bits = [...'rwxrwxrwx'].map((letter, i) => ((stats.mode >> (8 - i)) & 1 ? letter : '-')).join('');
  const date = new Date(stats.mtimeMs).toISOString().slice(0, 10);
  return `${type}${bits} ${stats.nlink} ${stats.uid} ${stats.gid} ${stats.size} ${date} ${name}`;
}

/** Where links lead; a path that does not exist stands for itself, but a link into nothing is refused: opening it would create its target. */
async function followed(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    const link = await lstat(path).catch(() => undefined);
    if (link !== undefined) throw new Refused(STATUS.NO_SUCH_FILE);
    return path;
  }
}

/** A path's place inside the root: the directory's links are followed, the last part's only with `follow`. Throws Refused outside. */
async function placeOf(root: string, path: string, follow: boolean): Promise<string> {
  const wanted = resolve(root, path);
  const parent = wanted === root ? wanted : join(await realpath(dirname(wanted)), basename(wanted));
  const place = follow ? await followed(parent) : parent;
  if (place !== root && !place.startsWith(root + sep)) throw new Refused(STATUS.PERMISSION_DENIED);
  return place;
}

/** Without an exit-status of 0 scp reports a failure, and ssh2's SFTP channel has no public way to send one. */
function sendExitStatus(sftp: object): void {
  if (!('_protocol' in sftp && 'outgoing' in sftp)) return;
  const { _protocol: protocol, outgoing } = sftp;
  if (typeof outgoing !== 'object' || outgoing === null || !('id' in outgoing)) return;
  if (typeof protocol !== 'object' || protocol === null || !('exitStatus' in protocol)) return;
  if (typeof protocol.exitStatus === 'function') protocol.exitStatus(outgoing.id, 0);
}

/** Serves one client; the root must be an absolute path without links. */
export function serveSftp(sftp: SFTPWrapper, root: string): void {
  const handles = new Map<number, Handle>();
  let next = 0;

  // One after the other, as sftp-server does: scp cuts a file short where the answers to its writes come out of order.
  let last = Promise.resolve();
  const answer = (id: number, work: () => Promise<void>) => {
    last = last.then(work).catch((error: unknown) => void sftp.status(id, statusOf(error)));
  };
  const done = (id: number, work: () => Promise<unknown>) =>
    answer(id, async () => {
      await work();
      sftp.status(id, STATUS.OK);
    });
  const give = (id: number, handle: Handle) => {
    const number = next++;
    handles.set(number, handle);
    const name = Buffer.alloc(4);
    name.writeUInt32BE(number);
    sftp.handle(id, name);
  };
  const find = (name: Buffer): Handle => {
    const handle = name.length === 4 ? handles.get(name.readUInt32BE(0)) : undefined;
    if (handle === undefined) throw new Refused(STATUS.FAILURE);
    return handle;
  };
  const fileOf = (name: Buffer): Extract<Handle, { kind: 'file' }> => {
    const handle = find(name);
    if (handle.kind !== 'file') throw new Refused(STATUS.FAILURE);
    return handle;
  };
  const room = () => {
    if (handles.size >= MAX_HANDLES) throw new Refused(STATUS.FAILURE);
  };

  sftp.on('OPEN', (id, path, flags, attrs) =>
    answer(id, async () => {
      room();
      // Followed: otherwise a link inside the root would open what lies outside.
      const place = await placeOf(root, path, true);
      const permissions = Number.isInteger(attrs.mode) ? attrs.mode & 0o777 : 0o644;
      give(id, {
        kind: 'file',
        file: await open(place, openFlags(flags), permissions),
        append: (flags & OPEN_MODE.APPEND) !== 0,
      });
    }),
  );
  sftp.on('READ', (id, name, offset, length) =>
    answer(id, async () => {
      const buffer = Buffer.alloc(Math.min(length, MAX_READ));
      const { bytesRead } = await fileOf(name).file.read(buffer, 0, buffer.length, offset);
      if (bytesRead === 0) sftp.status(id, STATUS.EOF);
      else sftp.data(id, buffer.subarray(0, bytesRead));
    }),
  );
  sftp.on('WRITE', (id, name, offset, view) => {
    // ssh2 reuses the packet's memory as soon as this listener returns.
    const data = Buffer.from(view);
    done(id, async () => {
      const { file, append } = fileOf(name);
      let written = 0;
      while (written < data.length) {
        const at = append ? null : offset + written;
        written += (await file.write(data, written, data.length - written, at)).bytesWritten;
      }
    });
  });
  sftp.on('CLOSE', (id, name) =>
    done(id, async () => {
      const handle = find(name);
      handles.delete(name.readUInt32BE(0));
      if (handle.kind === 'file') await handle.file.close();
    }),
  );
  sftp.on('FSTAT', (id, name) =>
    answer(id, async () => sftp.attrs(id, attributes(await fileOf(name).file.stat()))),
  );
  sftp.on('FSETSTAT', (id, name, attrs) =>
    done(id, async () => {
      const { file } = fileOf(name);
      if (Number.isInteger(attrs.size)) await file.truncate(attrs.size);
      if (Number.isInteger(attrs.mode)) await file.chmod(attrs.mode & 0o777);
      if (Number.isInteger(attrs.mtime)) await file.utimes(attrs.atime, attrs.mtime);
    }),
  );
  sftp.on('SETSTAT', (id, path, attrs) =>
    done(id, async () => {
      const place = await placeOf(root, path, true);
      const file = await open(place, 'r');
      try {
        if (Number.isInteger(attrs.mode)) await file.chmod(attrs.mode & 0o777);
      } finally {
        await file.close();
      }
      if (Number.isInteger(attrs.mtime)) await utimes(place, attrs.atime, attrs.mtime);
    }),
  );
  sftp.on('OPENDIR', (id, path) =>
    answer(id, async () => {
      room();
      const place = await placeOf(root, path, true);
      give(id, { kind: 'directory', path: place, names: ['.', '..', ...(await readdir(place))] });
    }),
  );
  sftp.on('READDIR', (id, name) =>
    answer(id, async () => {
      const handle = find(name);
      if (handle.kind !== 'directory') throw new Refused(STATUS.FAILURE);
      const names = handle.names.splice(0, NAMES_PER_ANSWER);
      if (names.length === 0) throw new Refused(STATUS.EOF);
      const entries = names.map(async (filename) => {
        const stats = await lstat(join(handle.path, filename));
        return { filename, longname: longName(filename, stats), attrs: attributes(stats) };
      });
      sftp.name(id, await Promise.all(entries));
    }),
  );
  sftp.on('STAT', (id, path) =>
    answer(id, async () => sftp.attrs(id, attributes(await stat(await placeOf(root, path, true))))),
  );
  sftp.on('LSTAT', (id, path) =>
    answer(id, async () => sftp.attrs(id, attributes(await lstat(await placeOf(root, path, false))))),
  );
  sftp.on('REALPATH', (id, path) =>
    answer(id, async () => {
      const filename = resolve(root, path);
      const none = { mode: 0, uid: 0, gid: 0, size: 0, atime: 0, mtime: 0 };
      sftp.name(id, [{ filename, longname: filename, attrs: none }]);
      await Promise.resolve();
    }),
  );
  sftp.on('REMOVE', (id, path) => done(id, async () => unlink(await placeOf(root, path, false))));
  sftp.on('RMDIR', (id, path) => done(id, async () => rmdir(await placeOf(root, path, false))));
  sftp.on('MKDIR', (id, path, attrs) =>
    done(id, async () => {
      const mode = Number.isInteger(attrs.mode) ? attrs.mode & 0o777 : 0o755;
      await mkdir(await placeOf(root, path, false), { mode });
    }),
  );
  sftp.on('RENAME', (id, from, to) =>
    done(id, async () => rename(await placeOf(root, from, false), await placeOf(root, to, false))),
  );
  // The client half-closes; ssh2 leaves the answer to us, and scp waits for it.
  sftp.on('end', () => {
    sendExitStatus(sftp);
    sftp.end();
  });
  sftp.on('error', () => sftp.end());
  sftp.on('close', () => {
    for (const handle of handles.values()) if (handle.kind === 'file') handle.file.close().catch(() => {});
    handles.clear();
  });
}
