/**
 * The words of ssh_config lines: misc.c (strdelim, argv_split) as readconf.c uses them. Pure. Left out: a quote in the
 * middle of a keyword.
 */

export interface ConfigLine {
  /** Lower case. */
  readonly keyword: string;
  /** What follows, untouched. */
  readonly rest: string;
}

/** One criterion of a Match line. */
export interface Criterion {
  /** Lower case: `host`, `exec`… */
  readonly name: string;
  readonly negated: boolean;
  /** Undefined for `all`, `canonical` and `final`, which take none, and where it is missing. */
  readonly argument: string | undefined;
}

const WITHOUT_ARGUMENT = ['all', 'canonical', 'final'];

/** strdelim: a word up to white space or one `=`, or a quoted one; and what stands behind the delimiter. */
function nextWord(text: string): { readonly word: string; readonly rest: string } | undefined {
  const line = text.trimStart();
  const match = /^(?:"((?:\\"|[^"])*)"|([^\s="]+))[ \t]*(?:=[ \t]*)?/.exec(line);
  if (match === null) return undefined;
  return { word: match[1] ?? match[2] ?? '', rest: line.slice(match[0].length) };
}

/** Keyword and rest of a line; undefined for empty lines, comments, and lines without an argument (an error to ssh). */
export function parseConfigLine(line: string): ConfigLine | undefined {
  const text = line.trim();
  if (text === '' || text.startsWith('#')) return undefined;
  const first = nextWord(text);
  if (first === undefined || first.rest === '') return undefined;
  return { keyword: first.word.toLowerCase(), rest: first.rest };
}

/** argv_split: words with quotes and backslashes, up to a `#` that begins a word; undefined where a quote stays open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (text[at] === ' ' || text[at] === '\t') at += 1;
    if (at >= text.length || text[at] === '#') return words;
    let word = '';
    let quote = '';
    for (; at < text.length; at += 1) {
      const char = text.charAt(at);
      const next = text.charAt(at + 1);
      const escapes = next === "'" || next === '"' || next === '\\' || (next === ' ' && quote === '');
      if (char === '\\' && escapes) {
        at += 1;
        word += next;
      } else if (quote === '' && (char === ' ' || char === '\t')) {
        break;
      } else if (quote === '' && (char === '"' || char === "'")) {
        quote = char;
      } else if (char === quote) {
        quote = '';
      } else {
        word += char;
      }
    }
    if (quote !== '') return undefined;
    words.push(word);
  }
}

/** The criteria of a Match line, or undefined where it can't be read. */
export function parseCriteria(text: string): Criterion[] | undefined {
  const criteria: Criterion[] = [];
  let rest = text.trim();
  while (rest !== '' && !rest.startsWith('#')) {
    const attribute = nextWord(rest);
    if (attribute === undefined) return undefined;
    const negated = attribute.word.startsWith('!');
    const name = attribute.word.slice(negated ? 1 : 0).toLowerCase();
    rest = attribute.rest;
    if (WITHOUT_ARGUMENT.includes(name)) {
      criteria.push({ name, negated, argument: undefined });
      continue;
    }
    const argument = nextWord(rest);
    if (argument === undefined) return undefined;
    criteria.push({ name, negated, argument: argument.word });
    rest = argument.rest;
  }
  return criteria;
}
