/** Keeps what was read of the catalog for the next search; a command that finds it kept loads nothing of this. */
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { ensurePrivateDirectory } from '../../system/directories.ts';
import { replaceFile } from '../../system/replace-file.ts';
import type { RouteView } from '../route-view.ts';
import type { IndexData } from './index-data.ts';
import { HEAD_LENGTH_DIGITS, type Head, type Searchable, stampOf } from './store.ts';

/** A file that changed less than this ago may change again without its times showing it. */
const SETTLED_MS = 1_000;

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0;
}

export interface Made {
  readonly key: string;
  readonly views: readonly RouteView[];
  readonly index: IndexData;
  readonly wrong: number;
  /** Every path that it was made of or depends on. */
  readonly sources: readonly string[];
  /** When reading them began, in milliseconds since the epoch. */
  readonly began: number;
}

/** What was just read, kept at `path` if that can be done. */
export function keepStore(path: string, made: Made): Searchable {
  const { views, index, wrong } = made;
  keep(path, made);
  return {
    index,
    wrong,
    count: views.length,
    view(entry) {
      const view = views[entry];
      if (view === undefined) throw new Error(`there is no entry ${entry}`);
      return view;
    },
  };
}

function keep(path: string, { key, views, index, wrong, sources, began }: Made): void {
  // Looking something up sets nothing up: it is kept where a runtime or a state directory is already.
  if (!existsSync(dirname(dirname(dirname(path))))) return;
  if (sources.some((source) => changedAt(source) > began - SETTLED_MS)) return;
  const lines = views.map((view) => `${JSON.stringify(view)}\n`);
  let at = 0;
  const offsets = lines.map((line) => {
    const start = at;
    at += Buffer.byteLength(line);
    return start;
  });
  const stamps = sources.flatMap((source) => [source, stampOf(source)]);
  const head: Head = { key, stamps, wrong, index, offsets: offsets.join(' '), size: at };
  try {
    ensurePrivateDirectory(dirname(path));
    const text = JSON.stringify(head);
    const length = String(Buffer.byteLength(text)).padStart(HEAD_LENGTH_DIGITS);
    replaceFile(path, `${length}${text}${lines.join('')}`);
  } catch {
    // Then the next search takes as long as this one.
  }
}
