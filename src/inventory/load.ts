/**
 * inventory.yaml: who certificates are for. The rules are ops-warden's: the prefix is the type, a TTL above the type's
 * cap is refused and never clamped. New here: `files`, which lets `warden sign` and `issue` serve a person.
 */
import * as z from 'zod';
import { requireSchema } from '../config/check-schema.ts';
import { type Problem, throwProblems } from '../config/problems.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { ACTOR_TYPES, type Actor, TTL_CAP_SECONDS } from './actor.ts';

/** A principal of a certificate. OpenBao takes them comma-separated, so no comma; no blanks, as sshd's files have none. */
export const principalText = z
  .string()
  .regex(/^[A-Za-z0-9._@:/+-]{1,128}$/, 'must be letters, digits and . _ @ : / + - (at most 128)');

const actorName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'a name of an actor is letters, digits and . _ - (at most 128)');

const actorSchema = z.strictObject({
  type: z.enum(ACTOR_TYPES).meta({
    description: '`adm` a person (48 h at most), `agt` an agent program (24 h), `atm` an automation (8 h).',
  }),
  principals: z
    .array(principalText)
    .min(1, 'must not be empty')
    .max(256, 'has more than 256 entries')
    .meta({ description: 'What the actor’s certificates may carry.' }),
  ttl_hours: z.number().int('must be a whole number').positive('must be above 0').optional().meta({
    description: 'The longest validity, in hours; refused above the type’s cap.',
    shown: 'the type’s cap',
  }),
  description: z.string().max(1000).default('').meta({ description: 'For people.' }),
  files: z.enum(['allow', 'deny']).optional().meta({
    description: 'Whether `warden sign` and `warden issue` serve the actor.',
    shown: '`allow` for agt and atm, `deny` for adm',
  }),
});

/** An actor as it stands in the file. */
export type ActorYaml = z.input<typeof actorSchema>;

/** inventory.yaml as a whole. */
export const inventorySchema = z.strictObject({
  actors: z
    .record(actorName, actorSchema)
    .default({})
    .meta({ description: 'Actors by name; the name starts with the type: `adm-…`.' }),
});

/** The actors of `path` by name, or undefined when there is no such file; `uid` as `readGuarded` takes it. Throws ConfigError with all that is wrong. */
export function loadInventory(path: string, uid: number | undefined): ReadonlyMap<string, Actor> | undefined {
  const file = readYamlFile(path, uid);
  return file === undefined ? undefined : readInventory(file);
}

/** The actors of a parsed inventory. Throws ConfigError with all that is wrong. */
export function readInventory(file: YamlFile): ReadonlyMap<string, Actor> {
  const inventory = requireSchema(file, inventorySchema);
  const problems: Problem[] = [];
  const actors = new Map<string, Actor>();
  for (const [name, entry] of Object.entries(inventory.actors)) {
    const at = ['actors', name];
    if (!name.startsWith(`${entry.type}-`)) {
      const message = `the name must start with its type: ${entry.type}-`;
      problems.push(file.problem(at, message, 'rename the actor, or correct its type'));
    }
    const cap = TTL_CAP_SECONDS[entry.type];
    const ttlSeconds = entry.ttl_hours === undefined ? cap : entry.ttl_hours * 3600;
    if (ttlSeconds > cap) {
      const message = `${entry.ttl_hours} h is above the cap of ${cap / 3600} h for ${entry.type}`;
      problems.push(file.problem([...at, 'ttl_hours'], message, `write at most ${cap / 3600}`));
    }
    actors.set(name, {
      name,
      type: entry.type,
      principals: [...new Set(entry.principals)],
      ttlSeconds,
      description: entry.description,
      files: entry.files === undefined ? entry.type !== 'adm' : entry.files === 'allow',
    });
  }
  throwProblems(problems);
  return actors;
}
