/**
 * The ssh that the person would start, asked by running it: its version (`ssh -V`), and what its configuration comes to for one
 * destination (`ssh -G`, ssh(1)). `-G` runs what `Match exec` says, as the login itself would. Each run has a deadline.
 */
import { type Ran, runProgram } from '../system/run-program.ts';

/** A busy machine is not one without ssh, and a Match exec may ask somebody. */
const DEADLINE_MS = 5_000;
/** From this version on, ssh tells its agent which host it has met. */
export const FIRST_WITH_BINDS = 8.9;

export interface SshVersion {
  /** As ssh says it: `OpenSSH_9.2p1 …`. */
  readonly text: string;
  /** 9.2; undefined where it is no OpenSSH. */
  readonly number: number | undefined;
}

/** The version of the ssh on PATH; undefined where there is none that runs. */
export async function sshVersion(env: NodeJS.ProcessEnv): Promise<SshVersion | undefined> {
  const { code, stderr } = await runProgram('ssh', ['-V'], { env, deadlineMs: DEADLINE_MS });
  if (code !== 0) return undefined;
  const text = stderr.split('\n', 1)[0] ?? '';
  const [, major, minor] = /OpenSSH(?:_for_Windows)?_(\d+)\.(\d+)/.exec(text) ?? [];
  return { text, number: major === undefined ? undefined : Number(`${major}.${minor}`) };
}

/** What `ssh -G` prints: keywords in lower case, each with its values in order. */
export interface SshSettings {
  /** The first value, or an empty text. */
  first(keyword: string): string;
  /** The words of the first value: lists of files. */
  words(keyword: string): readonly string[];
}

/** The settings for `words` (options and destination, as ssh would get them), or why there are none: a line of ssh's. */
export async function sshSettings(
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<SshSettings | { readonly refused: string }> {
  const ran = await runProgram('ssh', ['-G', ...words], { env, deadlineMs: DEADLINE_MS });
  if (ran.code !== 0) return { refused: refusalOf(ran) };
  return parseSettings(ran.stdout);
}

function refusalOf({ stderr, failure }: Ran): string {
  if (failure === 'ETIMEDOUT') return `ssh -G did not end within ${DEADLINE_MS / 1000} s`;
  if (failure !== '') return `ssh can't be run: ${failure}`;
  return stderr.trim().split('\n', 1)[0] || 'ssh -G failed';
}

/** Reads the output of `ssh -G`. */
export function parseSettings(output: string): SshSettings {
  const values = new Map<string, string>();
  for (const line of output.split('\n')) {
    const space = line.indexOf(' ');
    const keyword = (space < 0 ? line : line.slice(0, space)).toLowerCase();
    if (keyword !== '' && !values.has(keyword))
      values.set(keyword, space < 0 ? '' : line.slice(space + 1).trim());
  }
  const first = (keyword: string) => values.get(keyword) ?? '';
  return {
    first,
    words: (keyword) =>
      first(keyword)
        .split(/\s+/)
        .filter((word) => word !== ''),
  };
}
