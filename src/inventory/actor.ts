/** Actors: who a certificate is for. Prefix, type and caps are ops-warden's (`../shared/notes/ops-warden.md`, section 1). */

export const ACTOR_TYPES = ['adm', 'agt', 'atm'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

/** The longest a certificate may be valid, in seconds, by type: 48 h a person, 24 h an agent program, 8 h an automation. */
export const TTL_CAP_SECONDS: Readonly<Record<ActorType, number>> = {
  adm: 48 * 3600,
  agt: 24 * 3600,
  atm: 8 * 3600,
};

export interface Actor {
  /** `adm-…`, `agt-…` or `atm-…`; the prefix is the type. */
  readonly name: string;
  readonly type: ActorType;
  /** What the actor's certificates may carry; never empty. */
  readonly principals: readonly string[];
  /** The actor's own cap; never above its type's. */
  readonly ttlSeconds: number;
  readonly description: string;
  /** Whether `warden sign` and `issue` serve this actor. */
  readonly files: boolean;
}
