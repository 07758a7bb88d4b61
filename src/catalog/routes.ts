/**
 * Every entry of the catalog as people and programs are shown it: the layers laid over each other, with the place that each field came
 * from. One that is wrong is left out and told of, not a reason to answer nothing. The lanes that the agent serves are load.ts's.
 */
import { dirname } from 'node:path';
import * as z from 'zod';
import { checkSchema } from '../config/check-schema.ts';
import { ConfigError, type Problem } from '../config/problems.ts';
import { type Path, readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { type CatalogPlaces, filesOf, type Layer, layersOf } from './layers.ts';
import { catalogFileSchema, glanceSchema, type RouteYaml, routeEntrySchema } from './schema.ts';

export interface Route {
  readonly entry: RouteYaml;
  /** `file:line` of the uppermost layer's entry. */
  readonly source: string;
  /** The fields that are written, in their order. */
  readonly fields: readonly string[];
  /** `file:line` of the entries that this one is laid over or replaces, the lowest first. */
  readonly over: readonly string[];
  /** What is wrong at a path of the entry, said of the file that it is written in. */
  problem(path: Path, message: string, hint: string): Problem;
  /** Where a field is written: `file:line`. */
  originOf(field: string): string;
  /** Where a field's relative paths start: the directory of its file. */
  directoryOf(field: string): string;
}

export interface Routes {
  readonly routes: readonly Route[];
  readonly problems: readonly Problem[];
  /** Layers and files that were read, or looked for: what a change of the catalog changes. */
  readonly read: readonly string[];
}

interface Place {
  readonly file: YamlFile;
  readonly at: Path;
}

interface Merged {
  readonly id: string;
  /** Where the uppermost entry is written. */
  readonly place: Place;
  readonly fields: ReadonlyMap<string, { readonly value: unknown; readonly place: Place }>;
  readonly over: readonly string[];
}

const MAX_ENTRIES = 20_000;

const mapping = z.record(z.string(), z.unknown());

function sourceOf({ file, at }: Place): string {
  return `${file.path}:${file.lineOf([...at, 'id'])}`;
}

/** Reads every layer. Throws nothing: what can't be read is among the problems. */
export function loadRoutes(places: CatalogPlaces): Routes {
  const problems: Problem[] = [];
  const read: string[] = [];
  const merged = new Map<string, Merged>();
  for (const layer of layersOf(places)) {
    read.push(layer.path);
    const here = new Map<string, Merged>();
    for (const entry of filesIn(layer, read, problems).flatMap((file) => entriesOf(file, problems))) {
      const first = here.get(entry.id);
      if (first === undefined) here.set(entry.id, entry);
      else problems.push(duplicate(entry, first));
    }
    for (const [id, upper] of here) {
      const lower = merged.get(id);
      merged.set(id, lower === undefined ? upper : laidOver(lower, upper));
    }
  }
  if (merged.size > MAX_ENTRIES) {
    const [{ place } = { place: undefined }] = merged.values();
    const many = place?.file.problem(
      [],
      `is one of too many: ${MAX_ENTRIES} entries at most`,
      'split the catalog',
    );
    return { routes: [], problems: many === undefined ? problems : [many], read };
  }
  const routes = [...merged.values()].flatMap((entry) => route(entry, problems));
  return { routes, problems, read };
}

/** The problems that `work` throws, collected. */
function collecting<T>(problems: Problem[], work: () => readonly T[]): readonly T[] {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
    return [];
  }
}

function filesIn(layer: Layer, read: string[], problems: Problem[]): readonly YamlFile[] {
  return collecting(problems, () => filesOf(layer)).flatMap((path) => {
    read.push(path);
    return collecting(problems, () => [readYamlFile(path, layer.uid)].filter((file) => file !== undefined));
  });
}

function entriesOf(file: YamlFile, problems: Problem[]): readonly Merged[] {
  const checked = checkSchema(file, catalogFileSchema);
  if ('problems' in checked) {
    problems.push(...checked.problems);
    return [];
  }
  return checked.data.entries.flatMap((raw, index) => {
    const place = { file, at: ['entries', index] };
    const glance = checkSchema(file, glanceSchema, place.at, raw);
    if ('problems' in glance) {
      problems.push(...glance.problems);
      return [];
    }
    const fields = Object.entries(mapping.parse(raw)).map(
      ([name, value]) => [name, { value, place }] as const,
    );
    return [{ id: glance.data.id, place, fields: new Map(fields), over: [] }];
  });
}

function duplicate(entry: Merged, first: Merged): Problem {
  return entry.place.file.problem(
    [...entry.place.at, 'id'],
    `${entry.id} is taken by ${sourceOf(first.place)}`,
    'rename one; to override an entry, use a later layer',
  );
}

/** Field by field; lanes decide about certificates, so nothing is put together for them from two places. */
function laidOver(lower: Merged, upper: Merged): Merged {
  const whole = lower.fields.has('ssh') || upper.fields.has('ssh');
  return {
    ...upper,
    fields: whole ? upper.fields : new Map([...lower.fields, ...upper.fields]),
    over: [...lower.over, sourceOf(lower.place)],
  };
}

function route({ place, fields, over }: Merged, problems: Problem[]): readonly Route[] {
  const placeOf = (field: string) => fields.get(field)?.place ?? place;
  const problem: Route['problem'] = (path, message, hint) => {
    const { file, at } = placeOf(String(path[0]));
    return file.problem([...at, ...path], message, hint);
  };
  const raw = Object.fromEntries([...fields].map(([name, { value }]) => [name, value]));
  const checked = checkSchema({ ...place.file, data: raw, problem }, routeEntrySchema);
  if ('problems' in checked) {
    problems.push(...checked.problems);
    return [];
  }
  return [
    {
      entry: checked.data,
      source: sourceOf(place),
      fields: [...fields.keys()],
      over,
      problem,
      originOf: (field) => {
        const { file, at } = placeOf(field);
        return `${file.path}:${file.lineOf([...at, field])}`;
      },
      directoryOf: (field) => dirname(placeOf(field).file.path),
    },
  ];
}
