/**
 * A text as the words that a need is found by: lower case, without accents and without the words that say nothing, each stemmed
 * (Porter's algorithm, the package stemmer). A compound (`flex-auth`, `NPM_AUTH_TOKEN`) is also one word. English only.
 */
import { stemmer } from 'stemmer';

export interface Word {
  /** As it was written, in lower case. */
  readonly text: string;
  readonly stem: string;
  /** 1; of a part of a compound its share in it; 0 for the compound itself, which nobody misses who does not have it. */
  readonly share: number;
}

const MAX_TEXT = 2048;
const MAX_WORDS = 64;

/** Words that are in every need and tell none from another. */
const SILENT = new Set(
  `a about access after again all am an and another any anything anyone are as ask at be because been before being but by can cannot
  cant could did do does doesn doing don done down each else ever every find first for from get gets getting give gives go goes going got
  had has have having he help her here his how i if in into is isn it its just kind know let like ll look make makes many me more most much
  must my myself need needed needs new no not nothing now of off on one only or other our out over own please put re run runs said same say
  says see set she should show since so some somebody someone something still t take than that the their them then there these they thing
  this those through to too try until up us use used user uses using ve very via want wants was way we were what when where whether which
  while who whom whose why will with without work works would yet you your s m d reach public any anyway please today tomorrow yesterday
  last next both every day time times help start started stop stops stopped fail fails failed failing failure broken down error says`.split(
    /\s+/,
  ),
);

/** Ways to say one word in two. */
const TOGETHER: readonly (readonly [RegExp, string])[] = [
  [/\bsingle sign[ -]?on\b/g, 'sso'],
  [/\b(?:log|sign)(?:ged|ging|s)?[ -](?:in|on|into)\b/g, 'login'],
  [/\bset[ -]up\b/g, 'setup'],
  [/\bobject stor(?:e|es)\b/g, 'object storage'],
];

/** Classes of Unicode cost a millisecond to make ready, and needs are ASCII. */
const isAscii = (text: string) => /^[\x20-\x7e]*$/.test(text);

function plain(text: string): string {
  const cut = text.slice(0, MAX_TEXT).toLowerCase();
  const lower = isAscii(cut) ? cut : cut.normalize('NFKD').replace(/\p{M}/gu, '');
  return TOGETHER.reduce((all, [two, one]) => all.replace(two, one), lower.replace(/[’']/g, ' '));
}

/** The words of `text` in their order, each stem once; at most 64. */
export function wordsOf(text: string): readonly Word[] {
  const words = new Map<string, Word>();
  const add = (word: string, share: number) => {
    if (SILENT.has(word)) return;
    const stem = stemmer(word);
    if (!words.has(stem) && words.size < MAX_WORDS) words.set(stem, { text: word, stem, share });
  };
  const letters = plain(text);
  const compounds = isAscii(letters)
    ? letters.matchAll(/[a-z0-9]+(?:[-_.][a-z0-9]+)*/g)
    : letters.matchAll(/[\p{L}\p{N}]+(?:[-_.][\p{L}\p{N}]+)*/gu);
  for (const [compound] of compounds) {
    // An actor's name is one word, and of no need's kind.
    const parts = /^(?:adm|agt|atm)-/.test(compound) ? [] : compound.split(/[-_.]/);
    for (const part of parts) add(part, 1 / parts.length);
    if (parts.length !== 1) add(compound.replace(/[-_.]/g, ''), 0);
  }
  return [...words.values()];
}
