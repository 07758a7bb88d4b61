/** The lab inside the test, with a home for the commands that use its configuration: for tests that need no real server. */
import { mkdirSync } from 'node:fs';
import { type Lab, type LabOptions, startLab } from '../../src/lab/lab.ts';
import { type Environment, type Result, run } from './process.ts';
import { type TempDirectory, tempDirectory } from './temp.ts';
import { LAUNCHER } from './warden.ts';

export interface LabHome {
  readonly lab: Lab;
  readonly directory: TempDirectory;
  /** HOME and the lab's configuration. */
  readonly env: Environment;
  /** `warden ARGS` in that environment. */
  cli(args: readonly string[], env?: Environment): Promise<Result>;
  /** Stops the agent, if one runs, and the lab, and removes everything. */
  remove(): Promise<void>;
}

/** Starts the lab; no agent yet. */
export async function startLabHome(options: Omit<LabOptions, 'dir'> = {}): Promise<LabHome> {
  const directory = tempDirectory('lab-');
  mkdirSync(directory.join('home'), { mode: 0o700 });
  const lab = await startLab({ ...options, dir: directory.join('lab') });
  const env: Environment = { HOME: directory.join('home'), WARDEN_CONFIG: lab.exports['WARDEN_CONFIG'] };
  const cli = (args: readonly string[], extra: Environment = {}) =>
    run(LAUNCHER, args, { env: { ...env, ...extra } });
  return {
    lab,
    directory,
    env,
    cli,
    async remove() {
      await cli(['agent', '--stop']);
      await lab.stop();
      directory.remove();
    },
  };
}
