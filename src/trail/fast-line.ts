/**
 * A line in exactly the shape that the writer gives it, read without JSON and schema, which cost three times as much: for verifying a
 * long trail. What it takes is what `parseRecord` takes, with the same values (a property test holds the two together); whatever else a line
 * may be (escapes, other bytes than ASCII, long values, `trail.*` events) it leaves to `parseRecord`.
 */
import type { TrailRecord } from './record.ts';

/** What verification looks at in every record. */
export type Link = Pick<TrailRecord, 'seq' | 'ts' | 'mono_ns' | 'boot_id' | 'phase' | 'corr' | 'prev'>;

/** The fixed parts of a line take 234 bytes at least: in a line as long as this no value is longer than the schema's 1024. */
const MAX_BYTES = 1258;

const TEXT = '"[ !#-\\[\\]-~]*"';
const COUNT = '(?:0|[1-9]\\d{0,14})';
const LIST = `\\[(?:${TEXT}(?:,${TEXT}){0,63})?\\]`;
const MAP = `\\{(?:${TEXT}:${TEXT}(?:,${TEXT}:${TEXT})*)?\\}`;

function object(members: Readonly<Record<string, string>>): string {
  const each = Object.entries(members).map(([key, value]) => `(?:"${key}":${value}(?:,(?!\\})|(?=\\})))?`);
  return `\\{${each.join('')}\\}`;
}

const CERT = object({
  serial: '"\\d{1,20}"',
  key_id: TEXT,
  fp: TEXT,
  ca_fp: TEXT,
  principals: LIST,
  valid_after: TEXT,
  valid_before: TEXT,
  options: MAP,
});
const BAO = object({
  request_id: TEXT,
  mount: TEXT,
  role: TEXT,
  address: TEXT,
  identity: TEXT,
  method: TEXT,
  accessor_hash: '"[0-9a-f]{64}"',
});
/** `allow` is never left out. */
const POLICY = [
  `\\{(?:"engine":${TEXT},)?(?:"decision_id":${TEXT},)?"allow":(?:true|false)`,
  optional('latency_ms', `${COUNT}(?:\\.\\d{1,17})?`),
  optional('error_code', TEXT),
  optional('break_glass', TEXT),
  '\\}',
].join('');

function optional(key: string, value: string): string {
  return `(?:,"${key}":${value})?`;
}

const LINE = new RegExp(
  [
    '^\\{"v":1,"seq":([1-9]\\d{0,14}),"id":"[0-9A-HJKMNP-TV-Z]{26}"',
    ',"ts":"(\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z)","mono_ns":"(\\d{1,20})"',
    `,"boot_id":"([ !#-\\[\\]-~]*)"`,
    ',"event":"(?!trail\\.)(?=[^"]{1,64}")[a-z]+(?:\\.[a-z_]+)+","code":"W\\d{4}[IWE]"',
    ',"phase":"(intent|result|single)"',
    optional('outcome', '"(?:ok|denied|error)"'),
    optional('error_code', TEXT),
    '(?:,"corr":"([ !#-\\[\\]-~]*)")?',
    optional('actor', `\\{"type":"(?:adm|agt|atm)","id":${TEXT}\\}`),
    optional('caller', object({ uid: COUNT, pid: COUNT, exe: TEXT })),
    ...['host', 'source', 'target', 'lane'].map((key) => optional(key, TEXT)),
    optional('via', LIST),
    optional('unbound', 'true'),
    optional('cert', CERT),
    optional('bao', BAO),
    optional('policy', POLICY),
    optional('message', TEXT),
    ',"prev":"([0-9a-f]{64})"\\}$',
  ].join(''),
);

/** Reads a line (its bytes as latin1) of the writer's own shape; undefined: it is not one, which says nothing against it. */
export function readFast(line: string): Link | undefined {
  if (line.length > MAX_BYTES) return undefined;
  const found = LINE.exec(line);
  if (found === null) return undefined;
  // By place: taking it apart costs a fifth of the whole.
  const { 2: ts, 3: mono_ns, 4: boot_id, 5: phase, 6: corr, 7: prev } = found;
  if (ts === undefined || mono_ns === undefined || boot_id === undefined || prev === undefined)
    return undefined;
  if (phase !== 'intent' && phase !== 'result' && phase !== 'single') return undefined;
  return { seq: Number(found[1]), ts, mono_ns, boot_id, phase, corr, prev };
}
