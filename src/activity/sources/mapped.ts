/** JSON lines of which a mapping says where each field stands: what the sources of records, policies and ops-warden's logs have in common. */
import { parseObject, textAt, valueAt } from '../../system/json.ts';
import type { Seen, SeenKind } from '../seen.ts';
import type { LineReader, LogFormat } from './source.ts';

/** The fields of a line that can be mapped, beside its time. */
export const MAPPED = [
  'id',
  'actor',
  'target',
  'host',
  'lane',
  'role',
  'serial',
  'key_id',
  'fp',
  'request_id',
  'decision_id',
  'accessor',
  'message',
] as const;
type Mapped = (typeof MAPPED)[number];

/** Dotted paths for each field; the first that holds something counts. */
export type Mapping = Readonly<
  Partial<Record<Mapped | 'time' | 'outcome' | 'principals', readonly string[]>>
>;

/** A time as JSON has it: ISO 8601, or a number of seconds, milliseconds, microseconds or nanoseconds since the epoch. */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{9,19}(?:\.\d+)?$/.test(text)) {
    const digits = text.split('.')[0]?.length ?? 0;
    const scale = digits <= 11 ? 1000 : digits <= 14 ? 1 : digits <= 17 ? 1 / 1000 : 1 / 1_000_000;
    return Math.floor(Number(text) * scale);
  }
  const at = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

const DENIED = new Set(['denied', 'deny', 'refused', 'forbidden', 'false', 'redact', 'not_applicable']);
const FAILED = new Set(['error', 'failed', 'failure']);

/** Words and truth values as an outcome; what says nothing went well. */
export function outcomeOf(value: unknown): Seen['outcome'] {
  const word = String(value ?? '').toLowerCase();
  return DENIED.has(word) ? 'denied' : FAILED.has(word) ? 'error' : 'ok';
}

/** A line's text by a mapping. */
export function mappedText(entry: unknown, paths: readonly string[] = []): string | undefined {
  for (const path of paths) {
    const text = textAt(entry, ...path.split('.'));
    if (text !== undefined) return text;
  }
  return undefined;
}

export interface MappedOptions {
  readonly name: string;
  readonly mapping: Mapping;
  readonly needle?: Buffer;
  /** What a line is; undefined: nothing of interest. */
  readonly kind: (entry: Readonly<Record<string, unknown>>) => SeenKind | undefined;
  /** Default: by the mapping's `outcome`, and `ok` where there is none. */
  readonly outcome?: (entry: Readonly<Record<string, unknown>>) => Seen['outcome'];
}

/** The format of such a log. */
export function mappedLog(options: MappedOptions): LogFormat {
  const { name, mapping, needle } = options;
  const timeIn = (entry: unknown) => parseTime(mappedText(entry, mapping.time));
  const outcome =
    options.outcome ??
    ((entry) => {
      const path = mapping.outcome?.find((each) => valueAt(entry, each.split('.')) !== undefined);
      return outcomeOf(path === undefined ? undefined : valueAt(entry, path.split('.')));
    });
  const read = (line: Buffer): ReturnType<LineReader['read']> => {
    const entry = parseObject(line);
    if (entry === undefined) return 'broken';
    const kind = options.kind(entry);
    if (kind === undefined) return undefined;
    const at = timeIn(entry);
    if (at === undefined) return 'broken';
    const fields: Partial<Record<Mapped, string>> = {};
    for (const field of MAPPED) {
      const text = mappedText(entry, mapping[field]);
      if (text !== undefined) fields[field] = text;
    }
    const principals = mapping.principals?.map((path) => valueAt(entry, path.split('.'))).find(Array.isArray);
    return {
      at,
      kind,
      outcome: outcome(entry),
      source: name,
      ...fields,
      ...(principals === undefined ? {} : { principals: principals.map(String).slice(0, 64) }),
    };
  };
  return { needle, reader: () => ({ read, timeOf: (line) => timeIn(parseObject(line)) }) };
}
