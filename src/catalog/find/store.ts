/**
 * The catalog as `warden route` searches it, kept in the runtime directory: reading a thousand entries of YAML takes half a second, and
 * nobody waits that long for the name of an owner. It counts only while every file that it was made of, and every directory that was
 * looked into, is as it was (device, inode, size, times). A head is read, and of the entries behind it those that are asked for. Left out: sharing between
 * users; origins of fields.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { WardenError } from '../../errors.ts';
import type { RouteView } from '../route-view.ts';
import type { IndexData } from './index-data.ts';
import { isHead, isView } from './shapes.ts';

/** What is searched. */
export interface Searchable {
  readonly index: IndexData;
  readonly count: number;
  view(entry: number): RouteView;
  /** How many mistakes there are in the catalog: what is wrong is left out. */
  readonly wrong: number;
}

/** How long the head is stands before it, in so many digits. */
export const HEAD_LENGTH_DIGITS = 10;

/** What stands before the entries. */
export interface Head {
  /** What decides where the catalog is, but for the files. */
  readonly key: string;
  /** Path and stamp of each file and directory, in turns. */
  readonly stamps: readonly string[];
  readonly wrong: number;
  readonly index: IndexData;
  /** Byte offsets of the entries behind the head, a blank between. */
  readonly offsets: string;
  /** Bytes of all entries. */
  readonly size: number;
}

const MAX_BYTES = 64 * 1024 * 1024;
/** What tells a file or directory from any later one at its path. */
export function stampOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined
    ? 'none'
    : `${stat.dev} ${stat.ino} ${stat.mode} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}

/** One of several: another configuration has another. FNV-1a, since loading node:crypto takes as long as all the rest. */
export function storePath(directory: string, key: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return join(directory, 'route', `${hash.toString(16).padStart(8, '0')}.index`);
}

/**
 * What was kept at `path`, where it is still so. Never throws: what can't be used is made anew. The file stays open as long as this
 * process, for the entries that are asked for.
 */
export function readStore(path: string, key: string): Searchable | undefined {
  try {
    const { descriptor, size } = openOwn(path);
    const behind = Number(textAt(descriptor, 0, HEAD_LENGTH_DIGITS)) + HEAD_LENGTH_DIGITS;
    if (!(behind <= size)) return undefined;
    const head: unknown = JSON.parse(textAt(descriptor, HEAD_LENGTH_DIGITS, behind));
    if (!isHead(head) || head.key !== key || head.size !== size - behind) return undefined;
    for (let at = 0; at < head.stamps.length; at += 2)
      if (stampOf(head.stamps[at] ?? '') !== head.stamps[at + 1]) return undefined;
    return searchable(path, head, (start, end) => textAt(descriptor, behind + start, behind + end));
  } catch {
    return undefined;
  }
}

function textAt(descriptor: number, start: number, end: number): string {
  const bytes = Buffer.allocUnsafe(end - start);
  if (readSync(descriptor, bytes, 0, bytes.length, start) < bytes.length)
    throw new Error('the store was cut');
  return bytes.toString('utf8');
}

/** Throws where the file is not there, or is not ours alone. */
function openOwn(path: string): { descriptor: number; size: number } {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const stat = fstatSync(descriptor);
  const ours = stat.isFile() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
  if (ours && stat.size <= MAX_BYTES) return { descriptor, size: stat.size };
  closeSync(descriptor);
  throw new Error('not a store of ours');
}

/** `read` gives the text between two offsets behind the head. */
function searchable(path: string, head: Head, read: (start: number, end: number) => string): Searchable {
  const { index, offsets, wrong, size } = head;
  const starts = offsets === '' ? [] : offsets.split(' ').map(Number);
  return {
    index,
    wrong,
    count: starts.length,
    view(entry) {
      const view = parsed(read(starts[entry] ?? 0, starts[entry + 1] ?? size));
      if (isView(view)) return view;
      throw new WardenError('malformed', `what was kept of the catalog is damaged: ${path}`, {
        hint: 'remove the file: it is made anew',
      });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
