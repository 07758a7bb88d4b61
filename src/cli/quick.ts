/**
 * What people and tools wait for many times a day, and a running agent or the catalog's index answers: without commander, YAML and schemas,
 * which take longer than the answer. Whatever is not plain (help, mistakes, no agent, a key from a pipe) is left to the whole command
 * line (program.ts), and nothing was done. Each loads only what it needs, out of one file: the build has them all in it, asleep.
 */
import { asWardenError } from '../errors.ts';
import { fail } from './context.ts';

type Quick = (words: readonly string[]) => Promise<boolean>;

const QUICK: ReadonlyMap<string, () => Promise<Quick>> = new Map([
  ['sign', async () => (await import('./quick-agent.ts')).sign],
  ['status', async () => (await import('./quick-agent.ts')).status],
  ['why', async () => (await import('./quick-agent.ts')).whyNot],
  ['login', async () => (await import('./quick-agent.ts')).logIn],
  ['route', async () => (await import('./quick-route.ts')).route],
]);

/** Whether it has done, or refused, what was asked. Never throws. */
export async function quick([name = '', ...words]: readonly string[]): Promise<boolean> {
  try {
    const load = QUICK.get(name);
    return load !== undefined && (await (await load())(words));
  } catch (thrown) {
    // The whole command line looks in more places for an agent, writes down that somebody has named a private key, and knows who lends a token.
    if (['not_running', 'bad_key', 'no_token'].includes(asWardenError(thrown).code)) return false;
    fail(thrown);
    return true;
  }
}
