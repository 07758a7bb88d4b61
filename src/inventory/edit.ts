/**
 * Changes inventory.yaml as a person would: what is not changed stays as it is, comments and order too. One writer at a time, and the
 * file is replaced whole, only when what it would say is a good inventory.
 * The package's own printing would set every line of the file anew, so lines are put in and taken out by the places that it knows; only
 * where actors are no lines of their own (none yet, or all in one flow) it prints the file.
 */
import { existsSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Document, isMap, isNode, isScalar, isSeq, parseDocument, stringify } from 'yaml';
import { readGuarded } from '../config/guarded-file.ts';
import { parseYaml } from '../config/yaml-file.ts';
import { asWardenError, errnoOf, WardenError } from '../errors.ts';
import { alone } from '../system/alone.ts';
import { replaceFile } from '../system/replace-file.ts';
import type { Actor } from './actor.ts';
import { type ActorYaml, readInventory } from './load.ts';

const LOCK_LIMIT_MS = 5_000;

/** What a change sees and does. */
export interface InventoryEdit {
  readonly actors: ReadonlyMap<string, Actor>;
  add(name: string, entry: ActorYaml): void;
  remove(name: string): void;
}

/** The offset behind the line that `offset` is on. */
function nextLine(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  return newline < 0 ? text.length : newline + 1;
}

/** The last scalar or flow collection of a node: where it ends, the node ends; what follows are comments and blanks. */
function endOfNode(node: unknown): number {
  if (isMap(node) && node.flow !== true && node.items.length > 0) return endOfNode(node.items.at(-1)?.value);
  if (isSeq(node) && node.flow !== true && node.items.length > 0) return endOfNode(node.items.at(-1));
  return isNode(node) ? (node.range?.[1] ?? 0) : 0;
}

/** Where the actors stand as lines of their own: offsets of each one's line and of what follows it. Undefined: not as lines. */
function linesOfActors(document: Document, text: string) {
  const actors = document.get('actors');
  if (!isMap(actors) || actors.flow === true || actors.items.length === 0) return undefined;
  return actors.items.flatMap(({ key, value }) => {
    if (!isScalar(key) || !isNode(value)) return [];
    const at = key.range?.[0] ?? 0;
    const start = text.lastIndexOf('\n', at - 1) + 1;
    const end = nextLine(text, Math.max(at, endOfNode(value) - 1));
    return [{ name: String(key.value), start, end, indent: text.slice(start, at) }];
  });
}

/** `text` with one actor more. */
function added(text: string, name: string, entry: ActorYaml): string {
  const document = parse(text);
  const last = linesOfActors(document, text)?.at(-1);
  if (last === undefined) {
    document.set('actors', document.createNode({}, { flow: false }));
    document.setIn(['actors', name], document.createNode(entry));
    return document.toString({ lineWidth: 0 });
  }
  const lines = stringify({ [name]: entry }, { lineWidth: 0 }).replace(/^(?=.)/gm, last.indent);
  const before = text.slice(0, last.end);
  return `${before}${before.endsWith('\n') ? '' : '\n'}${lines}${text.slice(last.end)}`;
}

/** `text` with one actor less; comments above it stay. */
function removed(text: string, name: string): string {
  const document = parse(text);
  const all = linesOfActors(document, text) ?? [];
  const its = all.find((each) => each.name === name);
  if (its !== undefined && all.length > 1) return text.slice(0, its.start) + text.slice(its.end);
  document.deleteIn(['actors', name]);
  return document.toString({ lineWidth: 0 });
}

function parse(text: string): Document {
  return parseDocument(text, { uniqueKeys: false, stringKeys: true });
}

function notGood(path: string, cause: unknown): WardenError {
  const { message, hint } = asWardenError(cause);
  return new WardenError(
    'not_granted',
    `the inventory would not be good: ${message.replace(`${path}:`, 'line ')}`,
    { hint, cause },
  );
}

/**
 * Reads the inventory at `path`, lets `change` change it, and writes it. Returns its actors afterwards. Throws what reading it throws,
 * `file_locked`, `state_unwritable`, what `change` throws, and `not_granted` where it would be no good inventory; then nothing has changed.
 */
export async function editInventory(
  path: string,
  uid: number,
  change: (edit: InventoryEdit) => void,
): Promise<ReadonlyMap<string, Actor>> {
  // A link stays a link.
  const file = existsSync(path) ? realpathSync(path) : path;
  if (!existsSync(dirname(file)))
    throw new WardenError('config_missing', `there is no directory ${dirname(file)}`, {
      hint: 'warden init writes a configuration',
    });
  const directory = dirname(file);
  return alone(directory, LOCK_LIMIT_MS, `changes files in ${directory}`, () => {
    const before = readGuarded(file, uid) ?? '';
    const actors = readInventory(parseYaml(path, before));
    let text = before;
    change({
      actors,
      add(name, entry) {
        text = added(text, name, entry);
      },
      remove(name) {
        text = removed(text, name);
      },
    });
    let after: ReadonlyMap<string, Actor>;
    try {
      after = readInventory(parseYaml(path, text));
    } catch (cause) {
      throw notGood(path, cause);
    }
    try {
      if (text !== before) replaceFile(file, text);
    } catch (cause) {
      throw new WardenError('state_unwritable', `can't write ${file}: ${errnoOf(cause)}`, {
        hint: 'make its directory writable for yourself; nothing has changed',
        cause,
      });
    }
    return after;
  });
}
