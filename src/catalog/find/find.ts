/** What a search comes to: the one entry, several, none and who is nearest, or one that is not in service. */
import type { IndexData } from './index-data.ts';
import { type Ranked, rank } from './rank.ts';

export type Outcome = 'match' | 'none' | 'ambiguous' | 'draft' | 'retired';

export interface Found {
  readonly outcome: Outcome;
  /** Best first, entries that serve the need well enough; those out of service only where they are asked for or decide. */
  readonly matches: readonly Ranked[];
  /** Of `none`: the entry that came closest, if one has any word of the need. */
  readonly nearest: Ranked | undefined;
}

/** Below this part of the need an entry does not serve it (test/unit/catalog/find.test.ts has what it was chosen by). */
const MIN_CONFIDENCE = 0.48;
/** Scores this close to the best are as good. */
const AS_GOOD = 0.95;
/** Worse than this part of the best is not worth a line. */
const WORTH_SHOWING = 0.4;
const MAX_MATCHES = 5;

/** Searches for `need`: an id, or words. With `all` entries out of service are among the matches too. */
export function find(index: IndexData, need: string, all: boolean): Found {
  const statusOf = ({ entry }: Ranked) => index.statuses[entry];
  const exact = exactId(index, need);
  const ranked = exact === undefined ? rank(index, need) : [exact];
  const good = ranked.filter(({ confidence }) => confidence >= MIN_CONFIDENCE);
  const [best] = good;
  if (best === undefined) return { outcome: 'none', matches: [], nearest: ranked[0] };

  const least = best.score * AS_GOOD;
  const active = good.filter((each) => statusOf(each) === 'a');
  const first = active.find(({ score }) => score >= least);
  const shown = good.filter(({ score }) => score >= best.score * WORTH_SHOWING);
  if (first === undefined) {
    const outcome = statusOf(best) === 'r' ? 'retired' : 'draft';
    return { outcome, matches: shown.slice(0, MAX_MATCHES), nearest: undefined };
  }
  const outcome = active.filter(({ score }) => score >= least).length > 1 ? 'ambiguous' : 'match';
  const others = shown.filter((each) => each !== first && (all || statusOf(each) === 'a'));
  return { outcome, matches: [first, ...others].slice(0, MAX_MATCHES), nearest: undefined };
}

function exactId({ ids }: IndexData, need: string): Ranked | undefined {
  const id = need.trim();
  const entry = id === '' ? -1 : ids.split(' ').indexOf(id);
  if (entry < 0) return undefined;
  return {
    entry,
    score: 1,
    confidence: 1,
    words: [{ word: id, as: id, how: 'exact', field: 'i', points: 1 }],
  };
}
