/** What the worker's commands work with, by configuration and flags. */
import type { Config } from '../config/config.ts';
import { WardenError } from '../errors.ts';
import { systemClock } from '../system/clock.ts';
import { type Hub, hubClient } from '../worker/hub.ts';
import type { Brain, Judging } from '../worker/judge.ts';
import { lanesOf } from '../worker/lanes.ts';
import { llmBrain } from '../worker/llm-brain.ts';
import { modelAt } from '../worker/llm-endpoint.ts';
import { ruleBrain } from '../worker/rule-brain.ts';
import { dryRun, execute, type Report, type Tier } from '../worker/run.ts';
import { readMemory } from '../worker/seen.ts';
import type { Worker } from '../worker/session.ts';
import { asOnlyWorker } from '../worker/session.ts';
import { type CommonFlags, pathInput } from './context.ts';
import { catalogOf } from './route-catalog.ts';

/** Runs `work` with a client of the hub, which is closed after it. */
export async function withHub<T>({ worker }: Config, work: (hub: Hub) => Promise<T>): Promise<T> {
  const hub = hubClient(worker.hubUrl, worker.agent);
  try {
    return await work(hub);
  } finally {
    await hub.close();
  }
}

/** The worker on this machine. */
export function workerOf({ stateDir }: Config, flags: CommonFlags, hub: Hub): Worker {
  const caller = { uid: pathInput(flags).uid, pid: process.pid };
  return { hub, stateDir, clock: systemClock, caller };
}

/** One run over the messages. Throws what hub, catalog, trail and state_dir throw. */
export async function runOnce(
  config: Config,
  flags: CommonFlags,
  tier: Tier,
  brain: Brain['name'],
): Promise<Report> {
  const findLane = lanesOf(await catalogOf(flags));
  const { agent, llm } = config.worker;
  if (brain === 'llm' && llm === undefined)
    throw new WardenError('config_invalid', 'no model is configured', {
      hint: 'add worker.llm: { url: … } to warden.yaml; docs/worker.md',
    });
  const model = brain === 'llm' && llm !== undefined ? modelAt(llm, process.env) : undefined;
  const judging: Judging = {
    brain: model === undefined ? ruleBrain(findLane) : llmBrain(model),
    findLane,
    agent,
  };
  try {
    return await withHub(config, (hub) =>
      tier === 'dry-run'
        ? dryRun(hub, judging, readMemory(config.stateDir))
        : asOnlyWorker(workerOf(config, flags, hub), (sending) => execute(sending, judging, tier)),
    );
  } finally {
    await model?.close();
  }
}
