/**
 * The whole configuration: warden.yaml, inventory.yaml and the catalog, with flags and environment laid over and under
 * them (flag, WARDEN_*, file, BAO_*, VAULT_*, default). Each of the three files must be good before the next is read.
 * Source: interface, "`warden.yaml`". Left out: making directories, opening sockets, reading tokens.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CatalogPlaces } from '../catalog/layers.ts';
import { loadLanes } from '../catalog/load.ts';
import type { Actor } from '../inventory/actor.ts';
import { loadInventory } from '../inventory/load.ts';
import { resolveAgent } from './agent-block.ts';
import { resolveAudit } from './audit-block.ts';
import { checkSchema } from './check-schema.ts';
import type { Config } from './config.ts';
import { resolveOpenBao } from './openbao-block.ts';
import { resolvePolicy } from './policy-block.ts';
import { ConfigError, type Problem, throwProblems } from './problems.ts';
import { type PathInput, runtimePaths, type Sourced } from './runtime-paths.ts';
import { DEFAULTS, type WardenYaml, wardenSchema } from './schema.ts';
import { Sources } from './sources.ts';
import { resolveWorker } from './worker-block.ts';
import { readYamlFile, type YamlFile } from './yaml-file.ts';

export interface LoadInput extends PathInput {
  /** The catalog that comes with the package, below all layers; left out: none. */
  readonly shippedCatalog?: string;
}

/** Loads everything. Throws ConfigError (`problems` has all of one stage) with `config_invalid`, `config_permissions`, `config_missing` or `socket_path`. */
export function loadConfig(input: LoadInput): Config {
  const { file, yaml, sources, paths } = readMain(input);
  noteWarnings(sources, yaml);

  const stateDir = statePath(sources, yaml, paths.stateDir);
  const openbao = resolveOpenBao(
    sources,
    yaml.openbao ?? yaml.vault ?? {},
    yaml.vault === undefined ? 'openbao' : 'vault',
    input.uid,
  );
  const agent = resolveAgent(sources, yaml.agent ?? {}, input, paths, stateDir);
  const policy = resolvePolicy(sources, yaml.policy);
  const worker = resolveWorker(sources, yaml.worker);
  throwProblems(sources.problems);

  const actors = resolveInventory(sources, yaml, paths.configDir, input.uid);
  const actor = resolveActor(sources, yaml, actors);
  const layers = catalogLayers(sources, yaml, paths.configDir);
  throwProblems(sources.problems);
  const lanes = loadLanes(
    { shipped: input.shippedCatalog, layers, uid: input.uid },
    { actors, self: actor, roleMap: openbao.roleMap },
  );
  return {
    file: file?.path,
    actor,
    openbao,
    actors,
    lanes,
    stateDir,
    agent,
    audit: resolveAudit(yaml.audit),
    policy,
    assist: { programs: yaml.assist?.programs ?? DEFAULTS.programs },
    activity: {
      sources: yaml.activity?.sources?.map(({ path, ...rest }) => ({
        ...rest,
        path: path === undefined ? undefined : sources.path(path),
      })),
    },
    worker,
    origin: sources.origin,
    warnings: sources.warnings,
  };
}

/** warden.yaml alone. */
function readMain(input: LoadInput) {
  const paths = runtimePaths(input);
  const file = readYamlFile(paths.configFile, input.uid);
  if (file === undefined && paths.configNamed) {
    throw missing(paths.configFile, 'create it with warden init, or correct --config or WARDEN_CONFIG');
  }
  const yaml = file === undefined ? {} : readWardenYaml(file);
  return { paths, file, yaml, sources: new Sources(file, input.env, input.home) };
}

function missing(file: string, hint: string): ConfigError {
  return new ConfigError({
    code: 'config_missing',
    file,
    line: undefined,
    key: '',
    message: 'there is no such file',
    hint,
  });
}

function readWardenYaml(file: YamlFile): WardenYaml {
  const checked = checkSchema(file, wardenSchema);
  if ('problems' in checked) throw new ConfigError(...checked.problems);
  const problems: Problem[] = [];
  const yaml = checked.data;
  if (yaml.backend === 'local') {
    problems.push(
      file.problem(
        ['backend'],
        'local (a CA key in a file) is not supported',
        'to try warden without OpenBao: warden lab',
      ),
    );
  }
  if (yaml.openbao !== undefined && yaml.vault !== undefined) {
    problems.push(
      file.problem(
        ['vault'],
        'is another name for openbao, which stands here too',
        'keep one of the two blocks',
      ),
    );
  }
  if (yaml.policy?.url !== undefined && yaml.policy.flex_auth_url !== undefined) {
    problems.push(
      file.problem(
        ['policy', 'flex_auth_url'],
        'is another name for url, which stands here too',
        'keep one of them',
      ),
    );
  }
  for (const block of ['openbao', 'vault'] as const) {
    if (yaml[block]?.token_env === undefined || yaml[block]?.auth?.token_env === undefined) continue;
    problems.push(file.problem([block, 'token_env'], 'stands in auth too', 'keep auth.token_env'));
  }
  throwProblems(problems);
  return yaml;
}

function noteWarnings(sources: Sources, yaml: WardenYaml): void {
  if (yaml.ca_key !== undefined) sources.warnings.push('ca_key is never read: OpenBao holds the CA');
}

function statePath(sources: Sources, yaml: WardenYaml, early: Sourced<string>): string {
  if (early.origin !== 'default') return sources.first('state_dir', [early], early.value);
  const inFile = sources.inFile(['state_dir'], yaml.state_dir);
  const value = yaml.state_dir === undefined ? undefined : sources.path(yaml.state_dir);
  return sources.first('state_dir', [{ ...inFile, value }], early.value);
}

function inventoryFile(
  sources: Sources,
  yaml: WardenYaml,
  configDir: string,
): { readonly path: string; readonly named: boolean } {
  const path = sources.optional('inventory_path', [
    sources.wardenPath('WARDEN_INVENTORY_PATH'),
    sources.inFile(['inventory_path'], yaml.inventory_path),
  ]);
  return path === undefined
    ? { path: join(configDir, 'inventory.yaml'), named: false }
    : { path: sources.path(path), named: true };
}

/** Where the inventory is or should be, whatever is wrong with it. Throws what warden.yaml itself throws. */
export function inventoryPath(input: LoadInput): string {
  const { sources, yaml, paths } = readMain(input);
  return inventoryFile(sources, yaml, paths.configDir).path;
}

/** Where the catalog is, whatever is wrong with what is in it. Throws what warden.yaml itself throws. */
export function catalogPlaces(input: LoadInput): CatalogPlaces {
  const { sources, yaml, paths } = readMain(input);
  const layers = catalogLayers(sources, yaml, paths.configDir);
  throwProblems(sources.problems);
  return { shipped: input.shippedCatalog, layers, uid: input.uid };
}

function resolveInventory(
  sources: Sources,
  yaml: WardenYaml,
  configDir: string,
  uid: number,
): ReadonlyMap<string, Actor> {
  const { path, named } = inventoryFile(sources, yaml, configDir);
  const actors = loadInventory(path, uid);
  if (actors === undefined && named) {
    sources.report(
      'inventory_path',
      ['inventory_path'],
      `there is no ${path}`,
      'create it, or correct the path',
      'config_missing',
    );
  }
  return actors ?? new Map();
}

function resolveActor(
  sources: Sources,
  yaml: WardenYaml,
  actors: ReadonlyMap<string, Actor>,
): Actor | undefined {
  const name = sources.optional('actor', [
    sources.warden('WARDEN_ACTOR'),
    sources.inFile(['actor'], yaml.actor),
  ]);
  if (name === undefined) return undefined;
  const actor = actors.get(name);
  if (actor === undefined) {
    const known = [...actors.keys()];
    const hint = known.length === 0 ? 'add it there' : `add it there, or name one of: ${known.join(', ')}`;
    sources.report('actor', ['actor'], 'is not in the inventory', hint);
  }
  return actor;
}

function catalogLayers(sources: Sources, yaml: WardenYaml, configDir: string): readonly string[] {
  const named = sources.optional<string | string[]>('catalog_path', [
    sources.wardenPath('WARDEN_CATALOG_PATH'),
    sources.inFile(['catalog_path'], yaml.catalog_path),
  ]);
  if (named === undefined) return [join(configDir, 'catalog')];
  const layers = [named].flat().map((path) => sources.path(path));
  for (const layer of layers.filter((path) => !existsSync(path))) {
    sources.report(
      'catalog_path',
      ['catalog_path'],
      `there is no ${layer}`,
      'create it, or correct the path',
      'config_missing',
    );
  }
  return layers;
}
