/**
 * A YAML file with a memory of its lines, so that whatever is wrong is said as `file:line: key`. YAML 1.2 core schema,
 * one document, string keys without duplicates, no custom tags. Limits: size (guarded-file.ts), nesting, aliases.
 * Source: https://eemeli.org/yaml/ (parseDocument, Lexer); the limits are our own.
 */
import {
  CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  visit,
} from 'yaml';
import { readGuarded } from './guarded-file.ts';
import { ConfigError, type Problem, throwProblems } from './problems.ts';

export type Path = readonly (string | number)[];

export interface YamlFile {
  /** As it was named. */
  readonly path: string;
  /** Plain values: what the text says, unchecked. An empty file is undefined. */
  readonly data: unknown;
  /** The line of the key at `path`, or of the closest one above it that exists. */
  lineOf(path: Path): number;
  /** Whether the text has a value at `path`. */
  has(path: Path): boolean;
  /** A problem of this file at `path`. */
  problem(path: Path, message: string, hint: string): Problem;
}

/** How many aliases may be expanded while one file is read. */
const MAX_ALIASES = 100;
/** The parser is recursive, and runs out of memory on deep input: no flow is nested deeper, and no block starts further right. */
const MAX_FLOW_DEPTH = 32;
const MAX_BLOCK_COLUMN = 200;

/** `openbao.addr`, `entries[0].ssh.ttl`. */
export function dotted(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}

/** Reads and parses a file of the configuration (readGuarded() for `uid`); undefined when there is none. Throws ConfigError. */
export function readYamlFile(path: string, uid: number | undefined): YamlFile | undefined {
  const text = readGuarded(path, uid);
  return text === undefined ? undefined : parseYaml(path, text);
}

/** Parses `text`, which `path` is the name of. Throws ConfigError with everything that is wrong with it as YAML. */
export function parseYaml(path: string, text: string): YamlFile {
  const lines = new LineCounter();
  const at = (offset: number, message: string, hint: string): Problem => ({
    code: 'config_invalid',
    file: path,
    ...placeOf(lines, offset),
    key: '',
    message,
    hint,
  });

  const deep = firstTooDeep(text);
  if (deep !== undefined) {
    throw new ConfigError({ ...at(0, 'is nested too deeply', 'write it flatter'), line: deep, column: 1 });
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    // The package compares each key with every other one (47 s for 80,000): duplicateKeys() does it with a set.
    uniqueKeys: false,
    stringKeys: true,
    prettyErrors: false,
  });
  throwProblems([
    ...document.errors.map((error) => at(error.pos[0], `is not YAML: ${error.message}`, YAML_HINT)),
    ...document.warnings.map((warning) => at(warning.pos[0], warning.message, 'write a plain value')),
    ...duplicateKeys(document).map((key) =>
      at(key.offset, `the key ${key.name} stands here a second time`, 'keep one of them'),
    ),
  ]);
  return view(path, document, lines, plainData(document, at));
}

function placeOf(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: line || 1, column: col || 1 };
}

const YAML_HINT = 'check the indentation, and put values with : or # in quotes';

function plainData(
  document: Document,
  at: (offset: number, message: string, hint: string) => Problem,
): unknown {
  try {
    const data: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    JSON.stringify(data); // throws on an alias inside its own anchor
    return data === null ? undefined : data;
  } catch (cause) {
    const why = cause instanceof ReferenceError ? cause.message : 'an alias stands inside its own anchor';
    throw new ConfigError(at(0, `is not usable YAML: ${why}`, 'write the values out instead of * and &'));
  }
}

/** The line at which the text is nested deeper than the limits, if there is one. */
function firstTooDeep(text: string): number | undefined {
  let line = 1;
  let column = 0;
  let flows = 0;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    const newlines = token.split('\n').length - 1;
    if (type === 'flow-seq-start' || type === 'flow-map-start') flows++;
    if (type === 'flow-seq-end' || type === 'flow-map-end') flows--;
    const indents =
      type === 'seq-item-ind' || type === 'explicit-key-ind' || (type === 'space' && column === 0);
    const right = type === 'space' ? token.length : column;
    if (flows > MAX_FLOW_DEPTH || (indents && flows === 0 && right > MAX_BLOCK_COLUMN)) return line;
    line += newlines;
    column = newlines > 0 ? token.length - token.lastIndexOf('\n') - 1 : column + token.length;
  }
  return undefined;
}

function duplicateKeys(document: Document): { name: string; offset: number }[] {
  const found: { name: string; offset: number }[] = [];
  visit(document, {
    Map(_key, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name)) found.push({ name, offset: key.range?.[0] ?? 0 });
        seen.add(name);
      }
    },
  });
  return found;
}

function view(path: string, document: Document, lines: LineCounter, data: unknown): YamlFile {
  const find = (keys: Path): { offset: number; found: boolean } => {
    let node: unknown = document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const step of keys) {
      if (isAlias(node)) node = node.resolve(document);
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (pair === undefined || !isScalar(pair.key)) return { offset, found: false };
        offset = pair.key.range?.[0] ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof step === 'number' && step < node.items.length) {
        node = node.items[step];
        offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
      } else {
        return { offset, found: false };
      }
    }
    return { offset, found: true };
  };
  return {
    path,
    data,
    lineOf: (keys) => placeOf(lines, find(keys).offset).line,
    has: (keys) => find(keys).found,
    problem: (keys, message, hint) => ({
      code: 'config_invalid',
      file: path,
      ...placeOf(lines, find(keys).offset),
      key: dotted(keys),
      message,
      hint,
    }),
  };
}
