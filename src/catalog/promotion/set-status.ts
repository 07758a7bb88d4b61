/** Writes an entry's new status into the file that its status stands in; all else of the file stays as it is. */
import { realpathSync } from 'node:fs';
import { isMap, isScalar, isSeq, parseDocument } from 'yaml';
import { readGuarded } from '../../config/guarded-file.ts';
import { errnoOf, WardenError } from '../../errors.ts';
import { replaceFile } from '../../system/replace-file.ts';

function unwritable(path: string, why: string, cause?: unknown): WardenError {
  return new WardenError('state_unwritable', `the status in ${path} stays as it is: ${why}`, {
    hint: 'write it by hand',
    cause,
  });
}

/** The offsets of the status of entry `id`; undefined where it is not written there as a plain word. */
function statusOf(text: string, id: string): readonly [number, number] | undefined {
  const document = parseDocument(text, { uniqueKeys: false, stringKeys: true });
  const entries = document.get('entries');
  if (!isSeq(entries)) return undefined;
  const entry = entries.items.find((item) => isMap(item) && item.get('id') === id);
  const status = isMap(entry) ? entry.get('status', true) : undefined;
  return isScalar(status) && status.range ? [status.range[0], status.range[1]] : undefined;
}

/** `uid` as `readGuarded` has it. Throws `state_unwritable`, and what reading the file throws; then nothing has changed. */
export function setStatus(path: string, id: string, status: string, uid: number): void {
  const text = readGuarded(path, uid);
  const range = text === undefined ? undefined : statusOf(text, id);
  if (text === undefined || range === undefined) throw unwritable(path, `it has no status of ${id}`);
  try {
    // A link stays a link.
    replaceFile(realpathSync(path), text.slice(0, range[0]) + status + text.slice(range[1]));
  } catch (cause) {
    throw unwritable(path, errnoOf(cause), cause);
  }
}
