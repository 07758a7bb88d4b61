/** The `worker:` block: the hub, the brain, and what is run on a schedule. */
import type { LlmConfig, WorkerConfig } from './config.ts';
import { parseDuration } from './duration.ts';
import type { WardenYaml } from './schema.ts';
import { wrongUrl } from './service-url.ts';
import type { Sources } from './sources.ts';
import { WORKER_DEFAULTS } from './worker-schema.ts';

type WorkerYaml = NonNullable<WardenYaml['worker']>;

const DAY_MS = 86_400_000;

/** Resolves the block, or the defaults. Problems are left in `sources`. */
export function resolveWorker(sources: Sources, yaml: WorkerYaml = {}): WorkerConfig {
  const brain = yaml.brain ?? WORKER_DEFAULTS.brain;
  const llm = resolveLlm(sources, yaml.llm, yaml.insecure_http ?? false);
  if (brain === 'llm' && llm === undefined) {
    sources.origin.set('worker.brain', sources.inFile(['worker', 'brain'], brain).origin);
    sources.report('worker.brain', ['worker', 'brain'], 'wants a model', 'add worker.llm: { url: … }');
  }
  return {
    hubUrl: address(sources, ['worker', 'hub_url'], yaml.hub_url, yaml.insecure_http),
    agent: yaml.agent ?? WORKER_DEFAULTS.agent,
    brain,
    llm,
    tier: yaml.tier ?? WORKER_DEFAULTS.tier,
    checks: (yaml.checks ?? []).map(({ name, command, every }) => ({
      name,
      command,
      everyMs: every === undefined ? DAY_MS : (parseDuration(every) ?? DAY_MS),
    })),
  };
}

function address(
  sources: Sources,
  path: readonly string[],
  text: string | undefined,
  insecure = false,
): string {
  const key = path.join('.');
  const url = sources.first(key, [sources.inFile(path, text)], WORKER_DEFAULTS.hub_url);
  const wrong = wrongUrl(url, insecure, 'whoever is between reads and writes', 'worker');
  if (wrong !== undefined) sources.report(key, path, wrong.message, wrong.hint);
  return url.replace(/\/+$/, '');
}

function resolveLlm(sources: Sources, yaml: WorkerYaml['llm'], insecure: boolean): LlmConfig | undefined {
  if (yaml === undefined) return undefined;
  const { url, dialect = WORKER_DEFAULTS.llm_dialect, model, key_env: keyEnv } = yaml;
  const path = ['worker', 'llm', 'dialect'];
  if (dialect === 'openai' && model === undefined) {
    sources.origin.set('worker.llm.dialect', sources.inFile(path, dialect).origin);
    sources.report('worker.llm.dialect', path, 'wants the name of a model', 'add worker.llm.model');
  }
  return { url: address(sources, ['worker', 'llm', 'url'], url, insecure), dialect, model, keyEnv };
}
