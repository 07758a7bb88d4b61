/**
 * Which entries serve a need, best first, and why: each word of the need that an entry has counts by how few others have it, by the field
 * that it stands in and by how it was met (exactly, as a synonym, as a beginning, with a typing mistake). `confidence` is the part of the
 * need that was met: words that no entry has count against all of them.
 */
import { FIELD_WEIGHTS, type FieldLetter } from './fields.ts';
import type { IndexData } from './index-data.ts';
import { type Word, wordsOf } from './words.ts';

export type How = 'exact' | 'synonym' | 'prefix' | 'typo';

export interface MatchedWord {
  /** Of the need. */
  readonly word: string;
  /** Of the entry. */
  readonly as: string;
  readonly how: How;
  readonly field: FieldLetter;
  /** What it adds to the score. */
  readonly points: number;
}

export interface Ranked {
  /** The entry's number. */
  readonly entry: number;
  readonly score: number;
  /** 0 to 1. */
  readonly confidence: number;
  readonly words: readonly MatchedWord[];
}

const WORTH: Readonly<Record<How, number>> = { exact: 1, synonym: 0.8, prefix: 0.7, typo: 0.6 };
/** What a word that nobody has takes from everybody's confidence; a word that one entry alone has is worth 1. */
const UNKNOWN = 1;
const MIN_PREFIX = 4;

/** A line of the index that a word of the need may mean. */
interface Met {
  readonly line: string;
  readonly how: How;
}

/** Every entry that has a word of the need, best first. */
export function rank(index: IndexData, need: string): readonly Ranked[] {
  const found = new Map<number, Map<string, MatchedWord>>();
  let whole = 0;
  for (const word of wordsOf(need)) {
    const best = weigh(index.statuses.length, word, meet(index.terms, word), found);
    whole += best > 0 ? best : UNKNOWN * word.share;
  }
  return [...found]
    .map(([entry, words]) => {
      const all = [...words.values()].sort((a, b) => b.points - a.points);
      const score = all.reduce((sum, { points }) => sum + points, 0);
      return { entry, score, confidence: whole === 0 ? 0 : Math.min(1, score / whole), words: all };
    })
    .sort((a, b) => b.score - a.score || a.entry - b.entry);
}

/** Adds what `word` is worth to each entry that has it; returns how rare it is (0: nobody has it). */
function weigh(
  entries: number,
  word: Word,
  met: readonly Met[],
  found: Map<number, Map<string, MatchedWord>>,
): number {
  const places = met.map(({ line, how }) => {
    const [, as = '', at = ''] = line.split(' ');
    return { how, as, at: at.split(',') };
  });
  const having = new Set(places.flatMap(({ at }) => at.map((place) => Number.parseInt(place, 10))));
  if (having.size === 0) return 0;
  const rarity = rarityOf(having.size, entries);
  for (const { how, as, at } of places) {
    for (const place of at) {
      const entry = Number.parseInt(place, 10);
      const field = letterOf(place);
      const points = rarity * WORTH[how] * FIELD_WEIGHTS[field];
      const words = found.get(entry) ?? new Map<string, MatchedWord>();
      found.set(entry, words);
      const before = words.get(word.stem);
      if (before === undefined || before.points < points)
        words.set(word.stem, { word: word.text, as, how, field, points });
    }
  }
  return rarity;
}

function letterOf(place: string): FieldLetter {
  const letter = place.at(-1);
  return letter === 'i' || letter === 'k' || letter === 't' || letter === 'o' ? letter : 's';
}

/** Inverse document frequency as BM25 has it, 1 for a word that one entry has. */
function rarityOf(having: number, entries: number): number {
  const idf = (count: number) => Math.log(1 + (entries - count + 0.5) / (count + 0.5));
  return idf(having) / idf(1);
}

/** The lines of the index that `word` may mean. */
function meet(terms: string, { stem, text, share }: Word): readonly Met[] {
  const met = [...linesOf(terms, stem, 'exact'), ...linesOf(terms, `~${stem}`, 'synonym')];
  if (met.length > 0 || share === 0 || text.length < MIN_PREFIX) return met;
  const prefixes: Met[] = [];
  const typos: Met[] = [];
  const isTypo = typoOf(stem);
  for (const line of linesWith(terms, stem[0] ?? '')) {
    const other = line.slice(0, line.indexOf(' '));
    if (other.length < MIN_PREFIX) continue;
    if (other.startsWith(stem) || text.startsWith(other)) prefixes.push({ line, how: 'prefix' });
    else if (prefixes.length === 0 && isTypo(other)) typos.push({ line, how: 'typo' });
  }
  return prefixes.length > 0 ? prefixes : typos;
}

/** The lines whose stems begin with `letter`: few people mistype the first. */
function linesWith(terms: string, letter: string): readonly string[] {
  const start = terms.indexOf(`\n${letter}`);
  if (start < 0) return [];
  const last = terms.lastIndexOf(`\n${letter}`);
  const end = terms.indexOf('\n', last + 1);
  return terms.slice(start + 1, end < 0 ? undefined : end).split('\n');
}

function linesOf(terms: string, stem: string, how: How): readonly Met[] {
  const lines: Met[] = [];
  for (let start = terms.indexOf(`\n${stem} `); start >= 0; start = terms.indexOf(`\n${stem} `, start + 1)) {
    const end = terms.indexOf('\n', start + 1);
    lines.push({ line: terms.slice(start + 1, end < 0 ? undefined : end), how });
  }
  return lines;
}

/** Whether a word may be `a` mistyped: one mistake in words of 4 to 7 letters, two in longer ones; none in a number. */
function typoOf(a: string): (b: string) => boolean {
  if (/^\d+$/.test(a)) return () => false;
  const letters = lettersOf(a);
  return (b) => {
    const allowed = Math.min(a.length, b.length) > 7 ? 2 : 1;
    if (Math.abs(a.length - b.length) > allowed) return false;
    // A mistake changes two letters of the set at most: most words are told apart by that.
    return bitsIn(letters ^ lettersOf(b)) <= 2 * allowed && mistakes(a, b, allowed) <= allowed;
  };
}

/** A bit for each letter that occurs; digits share the letters'. */
function lettersOf(word: string): number {
  let letters = 0;
  for (let at = 0; at < word.length; at += 1) letters |= 1 << (word.charCodeAt(at) & 31);
  return letters;
}

function bitsIn(set: number): number {
  let count = 0;
  for (let left = set; left !== 0; left &= left - 1) count += 1;
  return count;
}

/** Letters left out, put in, wrong, or two swapped (optimal string alignment distance); counted no further than past `limit`. */
function mistakes(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min((row[j - 1] ?? 0) + (same ? 0 : 1), (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    if (Math.min(...next) > limit) return limit + 1;
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
