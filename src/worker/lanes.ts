/** What the worker asks of the catalog: which lane serves a need, and what it says to whoever has it. */

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
