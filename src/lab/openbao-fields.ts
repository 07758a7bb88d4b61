/**
 * Request fields as OpenBao's framework converts them (sdk/framework/field_data.go, parseutil): texts may come as numbers or
 * booleans, durations as seconds or Go durations, lists as comma-separated text. Messages are OpenBao 2.7.2's, as measured.
 * Left out: fields in the URL's query, floating-point durations.
 */

/** What OpenBao answers with `{"errors":[message]}`. */
export class BaoFailure extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'BaoFailure';
    this.status = status;
  }
}

export type Fields = ReadonlyMap<string, unknown>;

function unconvertible(field: string, problem: string): BaoFailure {
  return new BaoFailure(
    400,
    `Field validation failed: error converting input for field ${JSON.stringify(field)}: ${problem}`,
  );
}

/** Go's name for the type of a decoded JSON value. */
function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  return typeof value === 'string' ? 'string' : typeof value === 'boolean' ? 'bool' : 'json.Number';
}

/** A text field, or undefined where the request has none. Throws BaoFailure 400. */
export function textField(fields: Fields, name: string): string | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? '1' : '0';
  throw unconvertible(name, `'' expected type 'string', got unconvertible type '${goType(value)}'`);
}

export function flagField(fields: Fields, name: string): boolean | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'boolean') return value;
  if (value === 'true' || value === '1' || value === 1) return true;
  if (value === 'false' || value === '0' || value === '' || value === 0) return false;
  throw unconvertible(name, `cannot parse '' as bool`);
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600 };

function durationSeconds(field: string, text: string): number {
  const negative = text.startsWith('-');
  const body = negative ? text.slice(1) : text;
  let seconds: number;
  if (body === '') seconds = 0;
  else if (/^\d{1,10}$/.test(body)) seconds = Number(body);
  else if (/^\d{1,6}d$/.test(body)) seconds = Number(body.slice(0, -1)) * 86_400;
  else if (/^(\d{1,10}(ms|s|m|h))+$/.test(body)) {
    seconds = 0;
    for (const [, count, unit = 's'] of body.matchAll(/(\d+)(ms|s|m|h)/g)) {
      seconds += Number(count) * (UNIT_SECONDS[unit] ?? 1);
    }
  } else if (/^[\d.]+$/.test(body)) {
    throw unconvertible(field, `time: missing unit in duration ${JSON.stringify(text)}`);
  } else throw unconvertible(field, `time: invalid duration ${JSON.stringify(text)}`);
  if (negative) throw unconvertible(field, `cannot provide negative value '-${Math.floor(seconds)}'`);
  return Math.floor(seconds);
}

/** Seconds (an empty text is 0), or undefined where the request has no such field. Throws BaoFailure 400. */
export function durationField(fields: Fields, name: string): number | undefined {
  const text = textField(fields, name);
  return text === undefined ? undefined : durationSeconds(name, text);
}

/** A map from text to text, or undefined where the request has no such field. Throws BaoFailure 400. */
export function mapField(fields: Fields, name: string): Record<string, string> | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) {
    const [where, inner]: [string, unknown] = Array.isArray(value) ? ['[0]', value[0]] : ['', value];
    throw unconvertible(
      name,
      `'${where}' expected type 'map[string]interface {}', got unconvertible type '${goType(inner)}'`,
    );
  }
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, String(entry)]));
}

/** A list of texts, which may come as one text with commas; empty where the request has none. */
export function textsField(fields: Fields, name: string): readonly string[] {
  const value = fields.get(name);
  return Array.isArray(value) ? value.map(String) : commaList(textField(fields, name) ?? '');
}

/** Comma-separated text as a list: trimmed, without empty entries. */
export function commaList(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}
