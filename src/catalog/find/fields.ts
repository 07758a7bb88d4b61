/** The fields of an entry that a need is looked for in. */

/** What a match is worth there, the best first. */
export const FIELD_WEIGHTS = { i: 1, k: 1, t: 0.85, o: 0.5, s: 0.4 } as const;

export type FieldLetter = keyof typeof FIELD_WEIGHTS;

export const FIELD_NAMES: Readonly<Record<FieldLetter, string>> = {
  i: 'id',
  k: 'keyword',
  t: 'title',
  o: 'owner',
  s: 'subsystem',
};
