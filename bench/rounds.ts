/** Programs run in turns, so that whatever else the machine does meets all of them alike. */
import { spawn } from 'node:child_process';
import { type Environment, minimalEnvironment } from '../test/support/process.ts';

const WARM_UP = 3;

/** What is started, and with which environment. */
export interface Way {
  readonly argv: readonly string[];
  readonly env: Environment;
  /** The exit code that it must have; default 0: a failure is fast. */
  readonly code?: number;
  /** Its standard error is nobody's. */
  readonly quiet?: boolean;
}

/** Milliseconds from start to end. Throws where it ends with another code. */
function timed({ argv, env, code: wanted = 0, quiet = false }: Way): Promise<number> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', quiet ? 'ignore' : 'inherit'],
      env: minimalEnvironment(env),
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === wanted) resolve(performance.now() - began);
      else reject(new Error(`${argv.join(' ')} ended with ${code}`));
    });
  });
}

/** Runs every way once in each round, beginning with another one each time. Returns the milliseconds by way. */
export async function rounds(count: number, ways: readonly Way[]): Promise<number[][]> {
  const times: number[][] = ways.map(() => []);
  for (let round = -WARM_UP; round < count; round += 1) {
    for (let i = 0; i < ways.length; i += 1) {
      const at = (i + round + WARM_UP) % ways.length;
      const way = ways[at];
      if (way === undefined) continue;
      const took = await timed(way);
      if (round >= 0) times[at]?.push(took);
    }
  }
  return times;
}
