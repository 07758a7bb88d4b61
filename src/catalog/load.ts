/**
 * The lanes of the catalog: entries that are active, warden's to execute and have an `ssh:` block, in layers, the later over the earlier
 * by id. Entries without `ssh` are looked at only as far as they take a lane's place; where they lead is routes.ts.
 */
import { checkSchema } from '../config/check-schema.ts';
import { readGuarded } from '../config/guarded-file.ts';
import { type Problem, throwProblems } from '../config/problems.ts';
import { type Path, parseYaml, type YamlFile } from '../config/yaml-file.ts';
import type { Lane } from './lane.ts';
import { type LaneContext, laneFromEntry } from './lane-from-entry.ts';
import { type CatalogPlaces, filesOf, type Layer, layersOf } from './layers.ts';
import { patternKey } from './pattern.ts';
import { catalogFileSchema, type Glance, glanceSchema } from './schema.ts';

interface Read {
  readonly file: YamlFile;
  readonly at: Path;
  readonly entry: Glance;
  readonly raw: unknown;
}

/** An entry with an `ssh` block, as far as can be told without reading YAML, which takes longer. */
const MAY_HAVE_LANE = /ssh["']?\s*:/;

/** Loads every layer. Throws ConfigError with all that is wrong. */
export function loadLanes(places: CatalogPlaces, context: LaneContext): readonly Lane[] {
  return readLanes(
    layersOf(places).map((layer) => filesOf(layer).flatMap((path) => readFile(layer, path))),
    context,
  );
}

/** The package's own files are the lowest layer: what is no lane in them takes no lane's place. */
function readFile({ uid }: Layer, path: string): readonly YamlFile[] {
  const text = readGuarded(path, uid);
  if (text === undefined || (uid === undefined && !MAY_HAVE_LANE.test(text))) return [];
  return [parseYaml(path, text)];
}

/** The same over files that are parsed already, layer by layer. */
export function readLanes(layers: readonly (readonly YamlFile[])[], context: LaneContext): readonly Lane[] {
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
  for (const { file, at, raw, entry } of byId.values()) {
    // Without a status it is a mistake, which laneFromEntry() names.
    if (entry.ssh === undefined || (entry.status ?? 'active') !== 'active') continue;
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
  return lanes;
}

function duplicate(read: Read, first: Read): [message: string, hint: string] {
  const place = `${first.file.path}:${first.file.lineOf([...first.at, 'id'])}`;
  return [`${read.entry.id} is taken by ${place}`, 'rename one; to override an entry, use a later layer'];
}

function readEntries(file: YamlFile, problems: Problem[]): Read[] {
  const checked = checkSchema(file, catalogFileSchema);
  if ('problems' in checked) {
    problems.push(...checked.problems);
    return [];
  }
  return checked.data.entries.flatMap((raw, index) => {
    const at = ['entries', index];
    const entry = checkSchema(file, glanceSchema, at, raw);
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
