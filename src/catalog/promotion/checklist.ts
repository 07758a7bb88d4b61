/**
 * What must be so before an entry goes one step further: draft → ready → active → retired (docs/promotion.md). Commands are run only where
 * the caller says so, and for their exit status alone.
 */
import { type Check, checkOf } from '../../checks/check.ts';
import { problemLine } from '../../config/problems.ts';
import { findProgram } from '../../system/find-program.ts';
import { checkRoute } from '../check.ts';
import { commandText, placeholdersIn } from '../command.ts';
import { wrongReference } from '../page.ts';
import type { Route } from '../routes.ts';
import { isStale, STALE_DAYS } from '../stale.ts';
import { type BlindRun, runBlind } from './blind-run.ts';

export type NextStatus = 'ready' | 'active' | 'retired';

export interface PromotionInput {
  readonly route: Route;
  readonly to: NextStatus;
  /** The ids of all entries. */
  readonly ids: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly env: NodeJS.ProcessEnv;
  /** Whether the entry's commands may be run. */
  readonly run: boolean;
}

export interface Examined {
  readonly checks: readonly Check[];
  readonly runs: readonly BlindRun[];
}

/** The step after `status`; undefined where there is none but retirement, which is asked for by name. */
export function stepAfter(status: Route['entry']['status']): NextStatus | undefined {
  if (status === 'draft') return 'ready';
  return status === 'ready' ? 'active' : undefined;
}

/** The whole list, and what was run. Never throws. */
export async function examine(input: PromotionInput): Promise<Examined> {
  const { route, to, ids, now } = input;
  const { entry } = route;
  const runs: BlindRun[] = [];
  const inOrder = to === 'retired' ? entry.status !== 'retired' : stepAfter(entry.status) === to;
  const checks = [
    checkOf(
      'lifecycle.order',
      `${entry.status} goes on to ${to}`,
      inOrder ? [] : [`it is ${entry.status}, which does not go on to ${to}`],
      'draft, ready, active, retired: one step at a time',
    ),
    checkOf(
      'entry.valid',
      'the entry has no mistakes, and nothing in it looks like a secret',
      checkRoute(route, ids, now).map(problemLine),
      'warden route check names file, line and column',
    ),
    checkOf(
      'owner.named',
      `${entry.owner_repo} answers for it`,
      entry.owner_repo === '' ? ['nobody does'] : [],
      'owner_repo',
    ),
    checkOf('documents.resolve', 'its pages are there', wrongPages(route), 'wiki_ref, canon_ref'),
    checkOf(
      'review.dated',
      `reviewed in the last ${STALE_DAYS} days`,
      isStale(entry.reviewed ?? null, now, STALE_DAYS) ? [`reviewed ${entry.reviewed ?? 'never'}`] : [],
      'hold it against what is so, then write the day into reviewed',
    ),
  ];
  if (to === 'retired') checks.push(retirement(route));
  if (to === 'active') checks.push(signOff(route), programs(input), ...(await tried(input, runs)));
  return { checks, runs };
}

function wrongPages({ entry, directoryOf }: Route): readonly string[] {
  return (['wiki_ref', 'canon_ref'] as const).flatMap((field) => {
    const reference = entry[field];
    const wrong = reference === undefined ? undefined : wrongReference(reference, directoryOf(field));
    return wrong === undefined ? [] : [`${field} ${wrong}`];
  });
}

function retirement({ entry }: Route): Check {
  const said = entry.replaced_by ?? entry.retired_reason;
  return checkOf(
    'retirement.explained',
    'whoever asks is told what to use, or why there is nothing',
    said === undefined ? ['neither replaced_by nor retired_reason'] : [],
    'write one of the two: it is answered for ever',
  );
}

function signOff({ entry, directoryOf }: Route): Check {
  const reference = entry.promotion?.sign_off;
  const wrong =
    reference === undefined ? 'is not referred to' : wrongReference(reference, directoryOf('promotion'));
  return checkOf(
    'owner.sign_off',
    `the owner’s yes: ${reference ?? ''}`,
    wrong === undefined ? [] : [`the owner’s yes ${wrong}`],
    'promotion.sign_off: where the owner has written it, as path#anchor or https URL',
  );
}

function programs({ route: { entry }, env }: PromotionInput): Check {
  const { probe, allowed, denied } = entry.promotion ?? {};
  const commands = [entry.fetch_command, entry.exec_command, entry.pointer_command, probe, allowed, denied];
  const names = [...new Set(commands.flatMap((words) => words?.[0] ?? []))];
  const missing = names.filter((name) => findProgram(name, env['PATH']) === undefined);
  const found = names.map((name) => findProgram(name, env['PATH']) ?? name);
  return checkOf(
    'program.present',
    names.length === 0 ? 'it names no program' : `there are ${found.join(', ')}`,
    missing.map((name) => `there is no ${name}`),
    'install the owner’s tool, or run this where it is',
  );
}

const RUNS = [
  ['probe', 'probe.passes', 'the owner’s service is there'],
  ['allowed', 'run.allowed', 'who may is let through'],
  ['denied', 'run.denied', 'who may not is refused'],
] as const;

/** One after the other. */
async function tried({ route, env, run }: PromotionInput, runs: BlindRun[]): Promise<readonly Check[]> {
  const checks: Check[] = [];
  for (const [field, id, expected] of RUNS) {
    const words = route.entry.promotion?.[field];
    const key = `promotion.${field}`;
    if (words === undefined) {
      checks.push(checkOf(id, expected, [`${key} is missing`], `write ${key}: the command that shows it`));
    } else if (words.some((word) => placeholdersIn(word).length > 0)) {
      checks.push(checkOf(id, expected, [`${key} has a placeholder`], 'write the command with its values'));
    } else if (!run) {
      checks.push(
        checkOf(id, expected, [`not run: ${commandText(words)}`], 'look at it, then add --run', 'unknown'),
      );
    } else {
      const ran = await runBlind(words, env);
      runs.push(ran);
      checks.push(outcome(field, id, expected, ran));
    }
  }
  return checks;
}

function outcome(field: 'probe' | 'allowed' | 'denied', id: string, expected: string, ran: BlindRun): Check {
  const { exit, failure, argv } = ran;
  if (exit === null)
    return checkOf(
      id,
      expected,
      [`${commandText(argv)}: ${failure}`],
      'see to it that it can be run',
      'unknown',
    );
  const good = field === 'denied' ? exit !== 0 : exit === 0;
  return checkOf(id, expected, good ? [] : [`${commandText(argv)} ended with ${exit}`], 'ask the owner why');
}
