/**
 * The lattice of workload posture: environments and levels of maturity, and whether a secret may reach a workload. Pure and total: whatever
 * it is asked, it answers, and what it does not know it never allows. Rule and words: ops-warden's WP-0015 (`../shared/notes/ops-warden.md`,
 * section 7); "no write-down" is Bell and LaPadula's *-property over the levels: who holds a secret hands it on to no lower level.
 */

export const ENVIRONMENTS = ['dev', 'test', 'prod'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

export const LEVELS = ['M0', 'M1', 'M2', 'M3'] as const;
export type LevelId = (typeof LEVELS)[number];

export interface EnvironmentPosture {
  readonly title: string;
  /** Where its secrets live: `double`, `openbao-dev`, `openbao`. */
  readonly backend: string;
  readonly unseal: string;
  /** Whether real values may be there at all. */
  readonly realValues: boolean;
}

export interface Level {
  readonly id: LevelId;
  /** From 0, without gaps; a higher one is more mature. */
  readonly rank: number;
  readonly title: string;
}

export interface Lattice {
  readonly environments: Readonly<Record<Environment, EnvironmentPosture>>;
  /** All four, by rank. */
  readonly levels: readonly Level[];
  /** The least level for each data class; undefined: nobody has said. */
  readonly floors: ReadonlyMap<string, LevelId> | undefined;
}

/** One secret on its way to one workload, as it was written down: any text may stand anywhere. */
export interface Delivery {
  readonly environment: string;
  /** The workload's. */
  readonly maturity: string;
  /** What the secret asks of a workload. */
  readonly requiredMaturity: string;
  /** The secret's; undefined: nobody has said. */
  readonly dataClass: string | undefined;
  /** Maturity of the workload that hands it on; undefined: it comes from the secret's own store. */
  readonly from?: string | undefined;
}

/** Why not. The `unknown_` ones say that it can't be told. */
export type Obstacle =
  | 'not_prod'
  | 'below_required'
  | 'below_floor'
  | 'write_down'
  | 'unknown_environment'
  | 'unknown_level'
  | 'unknown_class';

/** What stands in the way of the delivery; nothing does exactly where it is allowed. */
export function obstacles(lattice: Lattice, delivery: Delivery): readonly Obstacle[] {
  const { environment, maturity, requiredMaturity, dataClass, from } = delivery;
  const rank = (id: string | undefined) => lattice.levels.find((level) => level.id === id)?.rank;
  const [has, required] = [rank(maturity), rank(requiredMaturity)];
  const handedOnBy = from === undefined ? undefined : rank(from);
  const floor = dataClass === undefined ? undefined : rank(lattice.floors?.get(dataClass));
  const below = (least: number | undefined) => has !== undefined && least !== undefined && has < least;
  const unknownLevel =
    has === undefined || required === undefined || (from !== undefined && handedOnBy === undefined);
  const found: readonly [Obstacle, boolean][] = [
    ['unknown_environment', !ENVIRONMENTS.some((each) => each === environment)],
    ['not_prod', environment === 'dev' || environment === 'test'],
    ['unknown_level', unknownLevel],
    ['below_required', below(required)],
    ['unknown_class', floor === undefined],
    ['below_floor', below(floor)],
    ['write_down', below(handedOnBy)],
  ];
  return found.flatMap(([obstacle, stands]) => (stands ? [obstacle] : []));
}

/** Whether a real value may be delivered. */
export function canDeliver(lattice: Lattice, delivery: Delivery): boolean {
  return obstacles(lattice, delivery).length === 0;
}
