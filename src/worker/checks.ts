/**
 * Commands that the worker runs on a schedule (drift, posture, checkpoints, stale routes: `worker.checks`), each at most as often as it says,
 * and one line of what each has found. They answer as warden's checks do: 0 good, 1 a finding, anything else could not be looked at. When
 * each was last run is in `<state_dir>/worker-checks.json`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { CheckConfig } from '../config/config.ts';
import { asWardenError, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';
import { type Ran, runProgram } from '../system/run-program.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import type { Trail } from '../trail/trail.ts';

const FILE = 'worker-checks.json';
const DEADLINE_MS = 300_000;
/** A timer is not exact: a check is due this much before its time. */
const EARLY_MS = 60_000;

/** What a child may know: where things are and how to log in to OpenBao, as a person who runs it has it; not the key of a model. */
const ENVIRONMENT =
  /^(?:HOME|PATH|USER|LOGNAME|SHELL|TZ|LANG|LC_\w+|XDG_\w+|SSH_AUTH_SOCK|DBUS_SESSION_BUS_ADDRESS|(?:WARDEN|BAO|VAULT)_\w+)$/;

export interface CheckResult {
  readonly name: string;
  readonly outcome: 'good' | 'finding' | 'failed';
  /** What it found, safe to show. */
  readonly line: string;
}

export interface Checking {
  readonly checks: readonly CheckConfig[];
  readonly stateDir: string;
  readonly trail: Pick<Trail, 'append'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly env: NodeJS.ProcessEnv;
  /** What `warden` means as a program: this one. */
  readonly launcher: string;
}

const file = z.strictObject({ v: z.literal(1), last: z.record(z.string(), z.number()) });

/** When each was last begun; a file that can't be read says nothing, and all are due. */
function readLast(stateDir: string): Readonly<Record<string, number>> {
  const path = join(stateDir, FILE);
  if (!existsSync(path)) return {};
  try {
    return file.parse(JSON.parse(readFileSync(path, 'utf8'))).last;
  } catch {
    return {};
  }
}

/** Runs those that are due, one after the other, and tells each as it ends. Throws `state_unwritable` and what the trail throws. */
export async function runDueChecks(checking: Checking, tell: (result: CheckResult) => void): Promise<void> {
  const { checks, stateDir, trail, now } = checking;
  for (const check of checks) {
    const last = readLast(stateDir);
    const at = now();
    const before = last[check.name];
    // A clock that was set back makes nothing wait for ever.
    if (before !== undefined && before <= at && at - before < check.everyMs - EARLY_MS) continue;
    // Before it runs: one that ends the worker with it is not run at every tick.
    try {
      replaceFile(join(stateDir, FILE), JSON.stringify({ v: 1, last: { ...last, [check.name]: at } }));
    } catch (cause) {
      throw new WardenError('state_unwritable', `can't write ${join(stateDir, FILE)}`, {
        hint: 'make state_dir writable for yourself',
        cause,
      });
    }
    const result = await runCheck(check, checking);
    const outcome = { good: 'ok', finding: 'denied', failed: 'error' } as const;
    await trail.append({
      event: 'worker.check',
      phase: 'single',
      outcome: outcome[result.outcome],
      source: check.name,
      message: result.line,
    });
    tell(result);
  }
}

async function runCheck({ name, command }: CheckConfig, { env, launcher }: Checking): Promise<CheckResult> {
  const [program = '', ...args] = command;
  const allowed = Object.fromEntries(Object.entries(env).filter(([key]) => ENVIRONMENT.test(key)));
  try {
    const ran = await runProgram(program === 'warden' ? launcher : program, args, {
      env: allowed,
      deadlineMs: DEADLINE_MS,
    });
    const outcome = ran.code === 0 ? 'good' : ran.code === 1 ? 'finding' : 'failed';
    return { name, outcome, line: lineOf(ran) };
  } catch (thrown) {
    return { name, outcome: 'failed', line: sanitizeLine(asWardenError(thrown).message) };
  }
}

/** Of a good one the last line, where warden's commands sum up; of a finding the first, and how many there are. */
function lineOf({ code, stdout, stderr, failure }: Ran): string {
  if (code === undefined) return `did not end: ${failure}`;
  const [first, second] = code <= 1 ? [stdout, stderr] : [stderr, stdout];
  const lines = [linesIn(first), linesIn(second)].find(({ length }) => length > 0) ?? ['it said nothing'];
  const shown = (code === 1 ? lines[0] : lines.at(-1)) ?? '';
  const text = looksSecret(shown) ? '(not shown: it looks like a secret)' : sanitizeLine(shown);
  const more = code === 1 && lines.length > 1 ? ` (and ${lines.length - 1} more)` : '';
  return code > 1 ? `exit ${code}: ${text}` : `${text}${more}`;
}

function linesIn(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
