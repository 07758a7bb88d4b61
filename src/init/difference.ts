/** What changes between two texts, for a person to look at before a file is replaced: lines with `-` and `+`. */

/** Lines of context around the changed part. */
const CONTEXT = 2;

/** The lines from the first that differs to the last, with a little around them; no lines where the texts are the same. */
export function difference(before: string, after: string): readonly string[] {
  if (before === after) return [];
  const old = before.split('\n');
  const now = after.split('\n');
  const shortest = Math.min(old.length, now.length);
  let start = 0;
  while (start < shortest && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < shortest - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  const marked = (mark: string, lines: readonly string[]) => lines.map((line) => `${mark} ${line}`);
  return [
    ...marked(' ', old.slice(Math.max(0, start - CONTEXT), start)),
    ...marked('-', old.slice(start, old.length - end)),
    ...marked('+', now.slice(start, now.length - end)),
    ...marked(' ', old.slice(old.length - end, old.length - end + CONTEXT)),
  ];
}
