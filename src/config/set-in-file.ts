/**
 * Sets one switch of a block in warden.yaml and leaves every other byte as it is: the package's own printing would set each line anew.
 * The file is replaced whole.
 */
import { existsSync, realpathSync } from 'node:fs';
import { isMap, isScalar, parseDocument } from 'yaml';
import { WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';
import { readGuarded } from './guarded-file.ts';

/** The text with `block.key: value`. Throws `config_invalid` where there is no such block. */
export function withSwitch(text: string, block: string, key: string, value: boolean): string {
  const map = parseDocument(text).get(block, true);
  if (!isMap(map) || map.range === null || map.range === undefined)
    throw new WardenError('config_invalid', `warden.yaml has no block ${block}`, {
      hint: `write ${block}: { url: … } first; docs/policy.md`,
    });
  const pair = map.items.find(({ key: name }) => isScalar(name) && name.value === key);
  if (pair !== undefined && isScalar(pair.value) && pair.value.range) {
    const [start, end] = pair.value.range;
    return `${text.slice(0, start)}${value}${text.slice(end)}`;
  }
  const [start] = map.range;
  if (map.flow === true) return `${text.slice(0, start + 1)} ${key}: ${value},${text.slice(start + 1)}`;
  const indent = start - (text.lastIndexOf('\n', start - 1) + 1);
  return `${text.slice(0, start)}${key}: ${value}\n${' '.repeat(indent)}${text.slice(start)}`;
}

/** Does it to the file at `path`. Throws what `readGuarded` and the system throw, `config_missing`. */
export function setSwitch(path: string, uid: number, block: string, key: string, value: boolean): void {
  const real = existsSync(path) ? realpathSync(path) : path;
  const text = readGuarded(real, uid);
  if (text === undefined)
    throw new WardenError('config_missing', `there is no ${path}`, { hint: 'warden init' });
  const next = withSwitch(text, block, key, value);
  if (next !== text) replaceFile(real, next);
}
