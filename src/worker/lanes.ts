/** What the worker asks of the catalog: which lane serves a need, and what it says to whoever has it. */
import { find } from '../catalog/find/find.ts';
import type { Searchable } from '../catalog/find/store.ts';
import type { RouteView } from '../catalog/route-view.ts';

/** What an answer may say of a lane: all of it is the catalog's. */
export interface LaneFacts {
  readonly id: string;
  readonly title: string;
  readonly owner: string;
  /** The page, as the catalog refers to it. */
  readonly page: string | undefined;
  readonly nextAction: string;
}

export interface LanesFound {
  readonly outcome: 'match' | 'none' | 'ambiguous' | 'draft' | 'retired';
  /** Of `match` the one, of `ambiguous` those that are as good. */
  readonly lanes: readonly LaneFacts[];
}

export type FindLane = (need: string) => LanesFound;

/** Needs whose answer is kept: the same greeting stands in many messages, and each sentence is asked for more than once. */
const KEPT = 10_000;

/** Looks needs up in the catalog as `warden route find` does. */
export function lanesOf(catalog: Pick<Searchable, 'index' | 'view'>): FindLane {
  const kept = new Map<string, LanesFound>();
  return (need) => {
    const known = kept.get(need);
    if (known !== undefined) return known;
    const { outcome, matches } = find(catalog.index, need, false);
    const meant = outcome === 'ambiguous' ? matches : matches.slice(0, 1);
    const found = { outcome, lanes: meant.map(({ entry }) => factsOf(catalog.view(entry))) };
    if (kept.size < KEPT) kept.set(need, found);
    return found;
  };
}

function factsOf({ id, title, owner_repo, page, wiki_ref, next_action }: RouteView): LaneFacts {
  // Where the page lies on this machine is nothing to others.
  const nextAction = page === null || wiki_ref === null ? next_action : next_action.replace(page, wiki_ref);
  return { id, title, owner: owner_repo, page: wiki_ref ?? undefined, nextAction };
}
