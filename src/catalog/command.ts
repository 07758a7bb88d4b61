/**
 * Commands as a catalog writes them: an argv, never a shell's text, with typed placeholders. `<cmd>` is the caller's own command and
 * stands last and alone. A text (ops-warden's form) is taken where blanks alone part its words. Nothing here runs anything.
 */

/** What may stand in a placeholder's place, by its type; nothing that begins with `-`, or a value would be an option. */
export const PLACEHOLDER_FORMS = {
  name: /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
  path: /^(?!.*(^|\/)\.\.?(\/|$))[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9._-]+)*$/,
  field: /^[A-Za-z0-9_][A-Za-z0-9_-]{0,127}$/,
  duration: /^[1-9][0-9]{0,5}[smh]$/,
} as const;

export type PlaceholderType = keyof typeof PLACEHOLDER_FORMS;

/** The caller's own command. */
export const CALLERS_COMMAND = 'cmd';

const MAX_WORDS = 64;
const MAX_WORD = 4096;
const PLACEHOLDER = /<([^<>\s]*)>/g;
const PROGRAM = /^(?!-)[A-Za-z0-9._+/-]{1,256}$/;
/** What a shell would do more with than take it as it is. */
const SHELL = /['"`$&|;()*?[\]{}~#!\\]/;

/** The names of the placeholders in `text`, in order, each once. */
export function placeholdersIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name))];
}

/** `text` with each placeholder that `values` has filled in. */
export function fillPlaceholders(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(PLACEHOLDER, (whole, name: string) => values.get(name) ?? whole);
}

/** The words of a command, or what is wrong with it. */
export function commandWords(
  written: string | readonly string[],
): { readonly words: readonly string[] } | { readonly wrong: string } {
  const words = typeof written === 'string' ? written.split(' ').filter((word) => word !== '') : written;
  const [program] = words;
  if (program === undefined) return { wrong: 'is empty: write a list of words, the program first' };
  if (words.length > MAX_WORDS) return { wrong: `has more than ${MAX_WORDS} words` };
  for (const word of words) {
    if (word.length > MAX_WORD) return { wrong: `has a word of more than ${MAX_WORD} characters` };
    if (/\p{C}/u.test(word)) return { wrong: 'has a control character in a word' };
    const plain = word.replace(PLACEHOLDER, '');
    if (typeof written === 'string' && (SHELL.test(plain) || /[<>]/.test(plain)))
      return { wrong: 'wants a shell, which nothing here is: write a list of words' };
  }
  if (!PROGRAM.test(program)) return { wrong: 'must begin with a program: a name or a path' };
  const caller = words.findIndex((word) => placeholdersIn(word).includes(CALLERS_COMMAND));
  if (caller >= 0 && (caller !== words.length - 1 || words[caller] !== `<${CALLERS_COMMAND}>`))
    return { wrong: `has <${CALLERS_COMMAND}> elsewhere than last and alone` };
  return { words };
}

/** A command as a person types it: words that a shell would touch are quoted, placeholders stay as they are. */
export function commandText(words: readonly string[]): string {
  return words
    .map((word) => {
      const plain = word.replace(PLACEHOLDER, '');
      const asItIs = word !== '' && !SHELL.test(plain) && !/[<>\s]/.test(plain);
      return asItIs ? word : `'${word.replaceAll("'", "'\\''")}'`;
    })
    .join(' ');
}
