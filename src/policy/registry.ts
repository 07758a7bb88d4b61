/**
 * The inventory as a decision point's data: who the actors are, and what each may ask for at most. It is the data of
 * `catalog/policy/warden.rego`. How flex-auth's own registry is laid out is not known here: its owner takes the same facts over.
 */
import type { Actor } from '../inventory/actor.ts';

/** `{"warden": {"actors": {NAME: {type, principals, ttl_hours}}}}`, the actors in order of their names. */
export function registryOf(actors: ReadonlyMap<string, Actor>) {
  const sorted = [...actors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const entries = sorted.map(({ name, type, principals, ttlSeconds }) => [
    name,
    { type, principals, ttl_hours: ttlSeconds / 3600 },
  ]);
  return { warden: { actors: Object.fromEntries(entries) } };
}
