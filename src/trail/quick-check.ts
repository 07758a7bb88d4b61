/**
 * Whether a value is a record, by hand: for reading a long trail, where the schema costs five times what JSON does. What it says yes to
 * `recordSchema` takes, with the same values (a property test holds the two together); where it says no the schema has the word.
 */
import { ACTOR_TYPES } from '../inventory/actor.ts';
import { isObject } from '../system/json.ts';
import { MAX_LIST, MAX_OPTION_VALUE, MAX_TEXT } from './limits.ts';
import type { TrailRecord } from './record.ts';

type Check = (value: unknown) => boolean;

const upTo =
  (limit: number): Check =>
  (value) =>
    typeof value === 'string' && value.length <= limit;
const text = upTo(MAX_TEXT);
const optionValue = upTo(MAX_OPTION_VALUE);
const count: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const matches =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const oneOf = (...words: readonly string[]): Check => {
  const known = new Set<unknown>(words);
  return (value) => known.has(value);
};
const list: Check = (value) => Array.isArray(value) && value.length <= MAX_LIST && value.every(text);
const eventName = matches(/^[a-z]+(\.[a-z_]+)+$/);
const eventLength = upTo(64);
const sha256 = matches(/^[0-9a-f]{64}$/);

/** No other keys than these, and those of `required`. */
function object(checks: Readonly<Record<string, Check>>, required: readonly string[] = []): Check {
  // A map: a line may name what every object has.
  const known = new Map(Object.entries(checks));
  return (value) => {
    if (!isObject(value)) return false;
    let missing = required.length;
    for (const key of Object.keys(value)) {
      const check = known.get(key);
      if (check === undefined || !check(value[key])) return false;
      if (required.includes(key)) missing -= 1;
    }
    return missing === 0;
  };
}

const options: Check = (value) =>
  isObject(value) &&
  Object.entries(value).every(([key, each]) => key !== '__proto__' && text(key) && optionValue(each));

const record = object(
  {
    v: (value) => value === 1,
    seq: (value) => count(value) && value !== 0,
    id: matches(/^[0-9A-HJKMNP-TV-Z]{26}$/),
    ts: matches(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    mono_ns: matches(/^\d{1,20}$/),
    boot_id: text,
    event: (value) => eventName(value) && eventLength(value),
    code: matches(/^W\d{4}[IWE]$/),
    phase: oneOf('intent', 'result', 'single'),
    outcome: oneOf('ok', 'denied', 'error'),
    error_code: text,
    corr: text,
    actor: object({ type: oneOf(...ACTOR_TYPES), id: text }, ['type', 'id']),
    caller: object({ uid: count, pid: count, exe: text }),
    host: text,
    source: text,
    target: text,
    lane: text,
    via: list,
    unbound: (value) => value === true,
    cert: object({
      serial: matches(/^\d{1,20}$/),
      key_id: text,
      fp: text,
      ca_fp: text,
      principals: list,
      valid_after: text,
      valid_before: text,
      options,
    }),
    bao: object({
      request_id: text,
      mount: text,
      role: text,
      address: text,
      identity: text,
      method: text,
      accessor_hash: sha256,
    }),
    policy: object(
      {
        engine: text,
        decision_id: text,
        allow: (value) => typeof value === 'boolean',
        latency_ms: (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
        error_code: text,
        break_glass: text,
      },
      ['allow'],
    ),
    message: text,
    prev: sha256,
  },
  ['v', 'seq', 'id', 'ts', 'mono_ns', 'boot_id', 'event', 'code', 'phase', 'prev'],
);

/** True: it is a record. False: it may be one. Fields that are seldom there are left to the schema. */
export function isPlainRecord(value: unknown): value is TrailRecord {
  return record(value);
}
