/**
 * The words of all entries, made ready to be searched without looking at the entries: long texts instead of many small values, since
 * a command that is to answer at once has no time to build a thousand objects (a search library's own index takes 30 ms to load).
 */
import type { RouteView } from '../route-view.ts';
import type { FieldLetter } from './fields.ts';
import { synonymsOf } from './synonyms.ts';
import { wordsOf } from './words.ts';

export interface IndexData {
  /**
   * A line for each stem, in order, each after a newline: the stem, a word of it as it was written, and where it stands: `0k,12t` is entry 0's
   * keywords and entry 12's title. A line that begins with `~` is what a synonym of the stem has.
   */
  readonly terms: string;
  /** Ids of the entries, a blank between. */
  readonly ids: string;
  /** The first letter of each entry's status; `d` for `ready` too. */
  readonly statuses: string;
}

/** The index of `views`, whose places in the list are the entries' numbers. */
export function indexOf(views: readonly RouteView[]): IndexData {
  const found = new Map<string, { shown: string; at: Map<number, FieldLetter> }>();
  for (const [number, view] of views.entries()) {
    const add = (letter: FieldLetter, text: string) => {
      for (const { stem, text: word } of wordsOf(text)) {
        const entry = found.get(stem) ?? { shown: word, at: new Map<number, FieldLetter>() };
        found.set(stem, entry);
        // The fields come best first.
        if (!entry.at.has(number)) entry.at.set(number, letter);
      }
    };
    add('i', view.id);
    for (const keyword of view.need_keywords) add('k', keyword);
    add('t', view.title);
    add('o', view.owner_repo);
    add('s', view.subsystem ?? '');
  }
  const lines = [...found].flatMap(([stem, { shown, at }]) => {
    const places = [...at].map(([number, letter]) => `${number}${letter}`).join();
    const synonyms = synonymsOf(stem).map((synonym) => `\n~${synonym} ${shown} ${places}`);
    return [`\n${stem} ${shown} ${places}`, ...synonyms];
  });
  return {
    terms: lines.sort().join(''),
    ids: views.map(({ id }) => id).join(' '),
    statuses: views.map(({ status }) => (status === 'ready' ? 'd' : status[0])).join(''),
  };
}
