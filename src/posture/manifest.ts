/**
 * A manifest of workloads, secrets and who gets which: metadata alone, no field holds a value. Judged by the lattice: what each environment is,
 * and each flow. Names and rules: ops-warden's check_secret_posture_conformance (`../shared/notes/ops-warden.md`, section 7); the file's form is ours.
 */
import * as z from 'zod';
import { requireSchema } from '../config/check-schema.ts';
import { ConfigError } from '../config/problems.ts';
import { readYamlFile, type YamlFile } from '../config/yaml-file.ts';
import { WardenError } from '../errors.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import { judge, type Posture, type Rule, type Seen } from './finding.ts';
import { ENVIRONMENTS, type Lattice, type Obstacle, obstacles } from './lattice.ts';

const name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._/@-]{0,127}$/,
    'must be a name: letters, digits and . _ / @ - (at most 128)',
  );
const tier = z.strictObject({ backend: name, unseal: name, real_values: z.boolean() }).partial();

const manifestSchema = z.strictObject({
  tiers: z.strictObject({ dev: tier, test: tier, prod: tier }).partial().default({}),
  workloads: z.record(name, z.strictObject({ environment: name, maturity: name })).default({}),
  secrets: z
    .record(name, z.strictObject({ required_maturity: name, data_class: name.optional() }))
    .default({}),
  flows: z
    .array(
      z.strictObject({
        secret: name,
        to: name,
        from: name.optional(),
        synthetic: z.boolean().default(false),
      }),
    )
    .max(10_000, 'has more than 10000 entries')
    .default([]),
});

export interface Manifest {
  readonly file: YamlFile;
  readonly data: z.output<typeof manifestSchema>;
}

/** Throws ConfigError: also where something in it looks like a token or a private key. `config_missing`. */
export function readManifest(path: string, uid: number): Manifest {
  const file = readYamlFile(path, uid);
  if (file === undefined)
    throw new WardenError('config_missing', `there is no ${path}`, { hint: 'docs/posture.md has the form' });
  if (looksSecret(JSON.stringify(file.data ?? {}))) {
    const problem = 'holds something that looks like a token or a private key: it is for metadata alone';
    throw new ConfigError(file.problem([], problem, 'take it out, and consider it lost'));
  }
  return { file, data: requireSchema(file, manifestSchema) };
}

const TIER: Rule = {
  id: 'manifest.tier',
  level: 'high',
  expected: 'each environment is what the posture says of it',
  todo: 'correct the environment, or write down in the manifest what it is; warden policy show ENVIRONMENT',
};
const FLOW: Rule = {
  id: 'manifest.flow',
  level: 'critical',
  expected: 'the workload may have the secret',
  todo: 'warden blocker "SECRET: what it says here" tells the way on',
};
const SYNTHETIC: Rule = {
  id: 'manifest.synthetic',
  level: 'high',
  expected: 'synthetic values stay in dev and test',
  todo: 'make a new value in prod: structure is promoted, values never',
};

const SAID: Readonly<Record<Obstacle, string>> = {
  not_prod: 'real values are for prod alone',
  below_required: 'the workload is less mature than the secret asks',
  below_floor: 'the workload is less mature than the secret’s data class asks',
  write_down: 'it would be handed on to a less mature workload',
  unknown_environment: 'the environment is none of dev, test, prod',
  unknown_level: 'a maturity is none of M0 to M3',
  unknown_class: 'nobody has said what the secret’s data class asks for',
};

function tiers({ file, data }: Manifest, lattice: Lattice): readonly Posture[] {
  return ENVIRONMENTS.map((environment) => {
    const said = data.tiers[environment];
    const should = lattice.environments[environment];
    const pairs = [
      ['backend', said?.backend, should.backend],
      ['unseal', said?.unseal, should.unseal],
      ['real_values', said?.real_values, should.realValues],
    ] as const;
    return judge(TIER, `environment ${environment}`, {
      wrong: pairs.flatMap(([key, is, expected]) =>
        is === undefined || is === expected ? [] : [`${key} is ${is}, should be ${expected}`],
      ),
      unknown: pairs.flatMap(([key, is]) => (is === undefined ? [`nothing is said of ${key}`] : [])),
      evidence: `${file.path}:${file.lineOf(['tiers', environment])}`,
    });
  });
}

/** Judges the manifest. */
export function manifestPosture(manifest: Manifest, lattice: Lattice): readonly Posture[] {
  const { file, data } = manifest;
  // Not by index: a flow may name anything, `constructor` too.
  const workloads = new Map(Object.entries(data.workloads));
  const secrets = new Map(Object.entries(data.secrets));
  const flows = data.flows.map((flow, index) => {
    const subject = `flow ${flow.secret} to ${flow.to}`;
    const evidence = `${file.path}:${file.lineOf(['flows', index])}`;
    const workload = workloads.get(flow.to);
    const secret = secrets.get(flow.secret);
    const from = flow.from === undefined ? undefined : workloads.get(flow.from);
    const unlisted = [
      ...(workload === undefined ? [`no workload ${flow.to} is listed`] : []),
      ...(secret === undefined ? [`no secret ${flow.secret} is listed`] : []),
      ...(flow.from !== undefined && from === undefined ? [`no workload ${flow.from} is listed`] : []),
    ];
    if (workload === undefined || secret === undefined || unlisted.length > 0)
      return judge(FLOW, subject, { unknown: unlisted, evidence });
    const { environment, maturity } = workload;
    if (flow.synthetic) {
      const elsewhere =
        environment === 'dev' || environment === 'test' ? [] : [`a synthetic value in ${environment}`];
      return judge(SYNTHETIC, subject, { wrong: elsewhere, evidence });
    }
    const found = obstacles(lattice, {
      environment,
      maturity,
      requiredMaturity: secret.required_maturity,
      dataClass: secret.data_class,
      from: from?.maturity,
    });
    const [unknown, wrong] = [true, false].map((is) =>
      found.filter((each) => each.startsWith('unknown_') === is).map((each) => SAID[each]),
    );
    const seen: Seen = { wrong: wrong ?? [], unknown: unknown ?? [], evidence };
    return judge(FLOW, subject, seen);
  });
  return [...tiers(manifest, lattice), ...flows];
}
