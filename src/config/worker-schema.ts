/** The schema of warden.yaml's `worker:` block. */
import * as z from 'zod';
import { durationText } from './duration-text.ts';
import { argv, key, variable, words } from './schema-parts.ts';

/** As DEFAULTS of schema.ts. */
export const WORKER_DEFAULTS = {
  hub_url: 'http://127.0.0.1:8000',
  agent: 'ops-warden',
  brain: 'rule',
  tier: 'conservative',
  llm_dialect: 'llm-connect',
} as const;

const llm = z.strictObject({
  url: words.meta({ description: 'Where it answers, as a base URL (of `openai` with its `/v1`).' }),
  dialect: key(
    z.enum(['llm-connect', 'openai']),
    '`POST /execute`, or `POST /chat/completions`, which most servers of models speak.',
    WORKER_DEFAULTS.llm_dialect,
  ),
  model: key(words, 'Its name; `openai` wants one.'),
  key_env: key(variable, 'Name of the environment variable that holds its key.'),
});

const check = z.strictObject({
  name: words
    .regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'must be a-z, 0-9 and -')
    .meta({ description: 'What its line begins with.' }),
  command: argv
    .min(1, 'must not be empty')
    .meta({ description: 'A program and its arguments; exit 0 is good, 1 a finding, else it failed.' }),
  every: key(durationText, 'How often, at most; each `warden worker tick` looks.', '24h'),
});

/** The `worker:` block. */
export const workerSchema = z.strictObject({
  hub_url: key(words, 'The State Hub, as a base URL.', WORKER_DEFAULTS.hub_url),
  insecure_http: key(z.boolean(), 'Allow plain http to another machine, for the hub and the model.', 'false'),
  agent: key(words, 'Who the worker is on the hub.', WORKER_DEFAULTS.agent),
  brain: key(
    z.enum(['rule', 'llm']),
    'What decides about a message: rules, or a model. `--brain` wins.',
    WORKER_DEFAULTS.brain,
  ),
  llm: key(llm, 'The model of `brain: llm`.'),
  tier: key(
    z.enum(['dry-run', 'conservative', 'full-auto']),
    'What `warden worker tick` does with new messages: docs/worker.md.',
    WORKER_DEFAULTS.tier,
  ),
  checks: key(
    z.array(check).max(64, 'has more than 64 entries'),
    'What `warden worker tick` runs besides: drift, posture, checkpoints, stale routes.',
    '[]',
  ),
});
