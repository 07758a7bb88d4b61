/** `warden worker tick`: what a timer runs. It never fails: what went wrong is said, in the journal or the log of cron. */
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { packageRoot } from '../config/package-paths.ts';
import { asWardenError } from '../errors.ts';
import { alone } from '../system/alone.ts';
import { systemClock } from '../system/clock.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { Trail } from '../trail/trail.ts';
import { runDueChecks } from '../worker/checks.ts';
import { DISABLED, isEnabled } from '../worker/enabled.ts';
import { headingOf } from '../worker/run.ts';
import { lockFile } from '../worker/session.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, print } from './context.ts';
import { runOnce, withHub } from './worker-parts.ts';

/** One line for what `work` comes to. */
async function told(name: string, work: () => Promise<string | undefined>): Promise<void> {
  try {
    const line = await work();
    if (line !== undefined) print(`${name}: ${line}`);
  } catch (thrown) {
    const { code, message } = asWardenError(thrown);
    print(`${name}: failed: ${sanitizeLine(message)} (${code})`);
  }
}

async function messages(config: Config, flags: CommonFlags): Promise<string> {
  const { hubUrl, tier, brain } = config.worker;
  if (!(await withHub(config, (hub) => hub.healthy()))) return `skipped: the hub at ${hubUrl} is down`;
  return headingOf(await runOnce(config, flags, tier, brain));
}

async function checks({ stateDir, worker }: Config): Promise<undefined> {
  if (worker.checks.length === 0) return;
  await alone(
    lockFile(stateDir, 'worker-checks.lock'),
    0,
    `runs the checks of ${stateDir} already`,
    async () => {
      const trail = new Trail(join(stateDir, 'audit'), { clock: systemClock });
      const launcher = join(packageRoot(), 'scripts', 'warden');
      const now = () => systemClock.now();
      try {
        await runDueChecks(
          { checks: worker.checks, stateDir, trail, now, env: process.env, launcher },
          ({ name, outcome, line }) => print(`${name}: ${outcome}: ${line}`),
        );
      } finally {
        await trail.close();
      }
    },
  );
}

/** Never rejects, and leaves the exit status 0. */
export async function tick(flags: CommonFlags): Promise<void> {
  if (!isEnabled(process.env)) {
    print(DISABLED);
    return;
  }
  await told('worker', async () => {
    const config = configOf(flags);
    await told('messages', () => messages(config, flags));
    await told('checks', () => checks(config));
    return undefined;
  });
}
