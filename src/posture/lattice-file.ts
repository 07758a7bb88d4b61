/** The lattice as data: `catalog/posture/posture.yaml`, or another file of its form. The catalog's loader reads no subdirectory, so it is no lane. */
import { join } from 'node:path';
import * as z from 'zod';
import { requireSchema } from '../config/check-schema.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { throwProblems } from '../config/problems.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { WardenError } from '../errors.ts';
import { type Lattice, LEVELS } from './lattice.ts';

const text = z.string().min(1, 'must not be empty').max(256, 'is longer than 256 characters');
const environment = z
  .strictObject({ title: text, backend: text, unseal: text, real_values: z.boolean() })
  .transform(({ real_values, ...rest }) => ({ ...rest, realValues: real_values }));

const latticeSchema = z.strictObject({
  environments: z.strictObject({ dev: environment, test: environment, prod: environment }),
  levels: z.array(z.strictObject({ id: z.enum(LEVELS), rank: z.number().int(), title: text })).max(16),
  data_class_floor: z.union([z.literal('not known'), z.record(text, z.enum(LEVELS))], {
    error: 'must be `not known`, or a level for each class',
  }),
});

/** Each level once, their ranks 0 to 3 in any order, and no environment but prod with real values. */
function checkLattice(file: YamlFile, { levels, environments }: z.output<typeof latticeSchema>): void {
  const missing = LEVELS.filter((id) => !levels.some((level) => level.id === id));
  const ranks = levels.map(({ rank }) => rank).sort((a, b) => a - b);
  const contiguous = ranks.every((rank, index) => rank === index);
  const twice = levels.length !== new Set(levels.map(({ id }) => id)).size;
  throwProblems([
    ...(missing.length > 0 || twice
      ? [file.problem(['levels'], `must have each of ${LEVELS.join(', ')} once`, 'write each level once')]
      : []),
    ...(contiguous
      ? []
      : [file.problem(['levels'], 'has ranks that are not 0, 1, 2, 3', 'a rank for each, none twice')]),
    ...(['dev', 'test'] as const)
      .filter((name) => environments[name].realValues)
      .map((name) =>
        file.problem(['environments', name, 'real_values'], 'must be false: real values are prod’s', 'false'),
      ),
  ]);
}

/** Throws ConfigError, `config_missing`. Without a path: the one that ships. `uid`: who may own a file that doesn't ship. */
export function readLattice(path: string | undefined, uid: number): Lattice {
  const shipped = join(shippedCatalog(), 'posture', 'posture.yaml');
  const file = readYamlFile(path ?? shipped, path === undefined ? undefined : uid);
  if (file === undefined)
    throw new WardenError('config_missing', `there is no ${path ?? shipped}`, {
      hint: 'name a file of the form of catalog/posture/posture.yaml',
    });
  const data = requireSchema(file, latticeSchema);
  checkLattice(file, data);
  const { environments, levels, data_class_floor: floors } = data;
  return {
    environments,
    levels: [...levels].sort((a, b) => a.rank - b.rank),
    floors: floors === 'not known' ? undefined : new Map(Object.entries(floors)),
  };
}
