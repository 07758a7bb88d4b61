/**
 * A parsed YAML file against a zod schema: what zod finds becomes problems with line, key and a hint that a person can
 * follow (the closest known key for an unknown one). Values are never repeated: somebody may have pasted a secret.
 */
import * as z from 'zod';
import { ConfigError, type Problem, type Problems } from './problems.ts';
import { dotted, type Path, type YamlFile } from './yaml-file.ts';

type JsonSchema = z.core.JSONSchema.BaseSchema;

export type Checked<T> = { readonly data: T } | { readonly problems: Problems };

/**
 * The part of `file` at `at` (the whole file by default) as the schema's type, or everything that is wrong with it.
 * An absent or empty file counts as an empty mapping.
 */
export function checkSchema<T>(
  file: YamlFile,
  schema: z.ZodType<T>,
  at: Path = [],
  data?: unknown,
): Checked<T> {
  const value = at.length === 0 ? (file.data ?? {}) : data;
  // For one file zod would compile for longer than it would then read faster.
  const result = schema.safeParse(value, { reportInput: true, jitless: true });
  if (result.success) return { data: result.data };
  const [first, ...more] = result.error.issues.flatMap((issue) => explain(file, schema, at, issue));
  return { problems: [first ?? file.problem(at, 'is not valid', 'see docs/configuration.md'), ...more] };
}

/** The whole of `file` as the schema's type. Throws ConfigError with everything that is wrong with it. */
export function requireSchema<T>(file: YamlFile, schema: z.ZodType<T>): T {
  const checked = checkSchema(file, schema);
  if ('data' in checked) return checked.data;
  throw new ConfigError(...checked.problems);
}

function explain(file: YamlFile, schema: z.ZodType, at: Path, issue: z.core.$ZodIssue): Problem[] {
  const inside = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  const path = [...at, ...inside];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(schema, inside);
      return issue.keys.map((key) => file.problem([...path, key], 'unknown key', unknownKeyHint(key, known)));
    }
    case 'invalid_type':
      if (issue.input === undefined) {
        return [file.problem(path, 'is missing', `add it: ${article(issue.expected)}`)];
      }
      return [
        file.problem(
          path,
          ownMessage(issue) ?? `must be ${article(issue.expected)}, is ${kindOf(issue.input)}`,
          typeHint(issue.expected, issue.input),
        ),
      ];
    case 'invalid_value': {
      const values = issue.values.map(String).join(', ');
      const missing = issue.input === undefined;
      return [
        file.problem(path, missing ? 'is missing' : `must be one of: ${values}`, `write one of: ${values}`),
      ];
    }
    case 'invalid_key': {
      const message = issue.issues[0]?.message ?? 'is not a name that is allowed here';
      return [file.problem(path, message, 'rename the key')];
    }
    default:
      return [file.problem(path, issue.message, `see ${dotted(path)} in docs/configuration.md`)];
  }
}

/** The schema's own words, where it has any: zod's begin with Invalid. */
function ownMessage(issue: z.core.$ZodIssue): string | undefined {
  return issue.message.startsWith('Invalid ') ? undefined : issue.message;
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
  record: 'a mapping (key: value)',
};

function article(expected: string): string {
  return ARTICLES[expected] ?? expected;
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping (key: value)';
  return article(typeof value);
}

function typeHint(expected: string, value: unknown): string {
  if (value === null) return 'give it a value, or remove the key';
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return 'put the value in quotes';
  }
  if (expected === 'array' && typeof value === 'string') return 'write a list: [value]';
  return 'see docs/configuration.md';
}

/** Made once: a file may have the same mistake a thousand times. */
const jsonSchemas = new WeakMap<z.ZodType, JsonSchema>();

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const made = jsonSchemas.get(schema) ?? z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  jsonSchemas.set(schema, made);
  return made;
}

/** The keys that the schema knows at `path`; none where any name may stand. */
function knownKeys(schema: z.ZodType, path: Path): readonly string[] {
  let here: JsonSchema | undefined = jsonSchemaOf(schema);
  for (const step of path) here = here === undefined ? undefined : below(here, step);
  if (here === undefined) return [];
  const names = here.propertyNames;
  const listed = typeof names === 'object' && Array.isArray(names.enum) ? names.enum.map(String) : [];
  return [...Object.keys(here.properties ?? {}), ...listed];
}

function below(schema: JsonSchema, step: string | number): JsonSchema | undefined {
  const next =
    typeof step === 'number'
      ? Array.isArray(schema.items)
        ? schema.items[step]
        : schema.items
      : (schema.properties?.[step] ?? schema.additionalProperties);
  return typeof next === 'object' && !Array.isArray(next) ? next : undefined;
}

function unknownKeyHint(key: string, known: readonly string[]): string {
  const [closest] = known
    .map((name) => ({ name, distance: editDistance(key, name) }))
    .filter(({ name, distance }) => distance <= Math.max(key.length, name.length) / 2)
    .sort((a, b) => a.distance - b.distance);
  if (closest !== undefined) return `did you mean ${closest.name}?`;
  return known.length === 0 ? 'remove it' : `known here: ${known.join(', ')}`;
}

/** Levenshtein's distance, cut to the first 64 characters. */
function editDistance(a: string, b: string): number {
  const left = a.slice(0, 64);
  const right = b.slice(0, 64);
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
