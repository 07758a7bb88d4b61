/** The plan in what a model has written: the first JSON object, wherever it stands. Models put words and fences around it. */

/** Where the object that begins at `start` ends, or undefined. */
function endOfObject(text: string, start: number): number | undefined {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return undefined;
}

/** Its value, unchecked; undefined where there is none, or more than one, as nobody knows which is meant. */
export function planIn(text: string): unknown {
  const start = text.indexOf('{');
  const end = start < 0 ? undefined : endOfObject(text, start);
  if (end === undefined || text.includes('{', end)) return undefined;
  try {
    const value: unknown = JSON.parse(text.slice(start, end));
    return isOneAction(value) ? { actions: [value] } : value;
  } catch {
    return undefined;
  }
}

/** A model that leaves the list out. */
function isOneAction(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && !('actions' in value);
}
