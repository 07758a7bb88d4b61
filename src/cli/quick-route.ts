/** `warden route find` in its plain form, answered by the catalog's index. */
import { plainWords } from './options.ts';
import { findRoute } from './route-find.ts';
import { FIND_OPTIONS } from './route-options.ts';

/** Whether it has done what was asked. */
export async function route(words: readonly string[]): Promise<boolean> {
  const [find, ...rest] = words;
  const plain = find === 'find' ? plainWords(rest, FIND_OPTIONS) : undefined;
  if (plain === undefined || plain.args.length === 0) return false;
  await findRoute(plain.args, plain.flags);
  return true;
}
