/**
 * The catalog: layers of entries, the later over the earlier by id, and the lanes among them. A lane is an entry that
 * is active, is warden's to execute and has an `ssh:` block. Routing over the other entries is not here.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkSchema } from '../config/check-schema.ts';
import { checkDirectory } from '../config/guarded-file.ts';
import { ConfigError, type Problem, throwProblems } from '../config/problems.ts';
import { type Path, readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { errnoOf } from '../errors.ts';
import type { Lane } from './lane.ts';
import { type LaneContext, laneFromEntry } from './lane-from-entry.ts';
import { patternKey } from './pattern.ts';
import { catalogFileSchema, type Entry, entrySchema } from './schema.ts';

/** An entry with the place where it was written. */
export interface CatalogEntry {
  readonly entry: Entry;
  /** `file:line`. */
  readonly source: string;
}

export interface Catalog {
  /** Every entry that counts, lanes too, by id. */
  readonly entries: readonly CatalogEntry[];
  readonly lanes: readonly Lane[];
}

interface Read {
  readonly file: YamlFile;
  readonly at: Path;
  readonly entry: Entry;
  readonly raw: unknown;
}

const MAX_FILES = 1000;

export interface CatalogPlaces {
  /** The package's own catalog, the lowest layer; undefined: none. */
  readonly shipped: string | undefined;
  /** Directories with `*.yaml`, or single files, the lowest first. One that doesn't exist is empty. */
  readonly layers: readonly string[];
  /** The user that files of the layers may belong to, beside root. */
  readonly uid: number;
}

/** Loads every layer. Throws ConfigError with all that is wrong. */
export function loadCatalog({ shipped, layers, uid }: CatalogPlaces, context: LaneContext): Catalog {
  const lowest = shipped === undefined ? [] : [layerFiles(shipped, undefined)];
  return readCatalog([...lowest, ...layers.map((layer) => layerFiles(layer, uid))], context);
}

/** The same over files that are parsed already, layer by layer. */
export function readCatalog(layers: readonly (readonly YamlFile[])[], context: LaneContext): Catalog {
  const problems: Problem[] = [];
  const byId = new Map<string, Read>();
  for (const files of layers) {
    const here = new Map<string, Read>();
    for (const read of files.flatMap((file) => readEntries(file, problems))) {
      const first = here.get(read.entry.id);
      if (first === undefined) here.set(read.entry.id, read);
      else problems.push(read.file.problem([...read.at, 'id'], ...duplicate(read, first)));
    }
    for (const [id, read] of here) byId.set(id, read);
  }

  const lanes: Lane[] = [];
  const reads = [...byId.values()];
  for (const { file, at, raw, entry } of reads) {
    if (entry.ssh === undefined || entry.status !== 'active') continue;
    if (!entry.warden_executes) {
      problems.push(file.problem([...at, 'ssh'], 'needs warden_executes: true', 'add it, or remove ssh'));
      continue;
    }
    const result = laneFromEntry(file, at, raw, context);
    if ('lane' in result) lanes.push(result.lane);
    else problems.push(...result.problems);
  }
  problems.push(...equalLanes(lanes, byId), ...sharedPrincipals(lanes, byId));
  throwProblems(problems);
  return {
    entries: reads.map(({ entry, file, at }) => ({ entry, source: `${file.path}:${file.lineOf(at)}` })),
    lanes,
  };
}

function duplicate(read: Read, first: Read): [message: string, hint: string] {
  const place = `${first.file.path}:${first.file.lineOf([...first.at, 'id'])}`;
  return [`${read.entry.id} is taken by ${place}`, 'rename one; to override an entry, use a later layer'];
}

function layerFiles(layer: string, uid: number | undefined): readonly YamlFile[] {
  return filesOf(layer, uid).flatMap((path) => readYamlFile(path, uid) ?? []);
}

function filesOf(layer: string, uid: number | undefined): readonly string[] {
  try {
    if (!statSync(layer).isDirectory()) return [layer];
    const names = readdirSync(layer).filter((name) => name.endsWith('.yaml') && !name.startsWith('.'));
    // An empty directory that others may write is refused too: it would not stay empty.
    if (uid !== undefined) checkDirectory(layer, layer, uid);
    if (names.length > MAX_FILES) throw unusable(layer, `has more than ${MAX_FILES} files`);
    return names.sort().map((name) => join(layer, name));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    if (errnoOf(error) === 'ENOENT') return [];
    throw unusable(layer, `can't be read (${errnoOf(error)})`);
  }
}

function unusable(file: string, message: string): ConfigError {
  const hint = 'name a readable directory with *.yaml files';
  return new ConfigError({ code: 'config_invalid', file, line: undefined, key: '', message, hint });
}

function readEntries(file: YamlFile, problems: Problem[]): Read[] {
  const checked = checkSchema(file, catalogFileSchema);
  if ('problems' in checked) {
    problems.push(...checked.problems);
    return [];
  }
  return checked.data.entries.flatMap((raw, index) => {
    const at = ['entries', index];
    const entry = checkSchema(file, entrySchema, at, raw);
    if ('data' in entry) return [{ file, at, raw, entry: entry.data }];
    problems.push(...entry.problems);
    return [];
  });
}

/** Two lanes with the same pattern: no name could choose between them. */
function equalLanes(lanes: readonly Lane[], byId: ReadonlyMap<string, Read>): Problem[] {
  const first = new Map<string, Lane>();
  const problems: Problem[] = [];
  for (const lane of lanes) {
    for (const [index, pattern] of lane.hosts.entries()) {
      const other = first.get(patternKey(pattern));
      const read = byId.get(lane.id);
      if (other === undefined) {
        first.set(patternKey(pattern), lane);
      } else if (read !== undefined) {
        const twice = other === lane ? 'twice' : `already in lane ${other.id} (${other.source})`;
        const hint = other === lane ? 'keep one of them' : 'take it out of one of the two lanes';
        problems.push(read.file.problem([...read.at, 'ssh', 'hosts', index], `is ${twice}`, hint));
      }
    }
  }
  return problems;
}

/**
 * Without a bind nobody knows on which host a signature will be used: it must be worth nothing on the hosts of lanes that ask for
 * one. Defaults count as what they stand for.
 */
function sharedPrincipals(lanes: readonly Lane[], byId: ReadonlyMap<string, Read>): Problem[] {
  const bound = lanes.filter(({ unbound }) => !unbound);
  return lanes
    .filter(({ unbound }) => unbound)
    .flatMap((lane) => {
      const read = byId.get(lane.id);
      if (read === undefined) return [];
      return lane.principals.flatMap((principal, index) => {
        const other = bound.find(({ principals }) => principals.includes(principal));
        if (other === undefined) return [];
        const at = [...read.at, 'ssh', 'principals', index];
        const message = `is a principal of lane ${other.id} too (${other.source}), whose logins must be bound`;
        return [read.file.problem(at, message, 'give lanes with unbound: allow principals of their own')];
      });
    });
}
