/** `warden worker run` and `approve`: what talks to the hub. */
import { WardenError } from '../errors.ts';
import { readInput } from '../system/read-input.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import { approve } from '../worker/approve.ts';
import { linesOf } from '../worker/digest.ts';
import { DISABLED, isEnabled } from '../worker/enabled.ts';
import type { Brain } from '../worker/judge.ts';
import { headingOf, type Report, type Tier } from '../worker/run.ts';
import { asOnlyWorker } from '../worker/session.ts';
import { configOf } from './configuration.ts';
import { type CommonFlags, note, print, printJson } from './context.ts';
import { runOnce, withHub, workerOf } from './worker-parts.ts';

const MAX_BODY_BYTES = 64 * 1024;

export interface RunFlags extends CommonFlags {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly execute?: boolean;
  readonly fullAuto?: boolean;
  readonly brain?: Brain['name'];
}

export interface SendFlags extends CommonFlags {
  readonly body?: string;
  readonly again?: boolean;
}

function tierOf({ execute, fullAuto }: RunFlags): Tier {
  if (execute !== true && fullAuto === true)
    throw new WardenError('usage', '--full-auto is for --execute', {
      hint: 'warden worker run --execute --full-auto',
    });
  if (execute !== true) return 'dry-run';
  return fullAuto === true ? 'full-auto' : 'conservative';
}

/** As programs read it. */
function reportJson(report: Report) {
  const { tier, brain, decided, answered, lost, unreadable, waiting } = report;
  const messages = decided.map(({ message: { id, from, subject }, verdict }) => ({
    id,
    from,
    subject: looksSecret(subject) ? null : subject,
    ...verdict,
    sent: answered.has(id),
  }));
  return { tier, brain, messages, maybe_sent: lost.map(({ message_id: id }) => id), unreadable, waiting };
}

function show(report: Report): void {
  const { decided, answered, lost } = report;
  for (const one of decided) for (const line of linesOf(one, !answered.has(one.message.id))) print(line);
  for (const { message_id: id } of lost)
    print(`${id}: its reply may have been sent; look on the hub, then: warden worker approve ${id} --again`);
  print(headingOf(report));
}

/** One run, and what it came to. */
export async function run(flags: RunFlags): Promise<void> {
  const tier = tierOf(flags);
  if (tier !== 'dry-run' && !isEnabled(process.env)) {
    note(`warden: ${DISABLED}`);
    return;
  }
  const config = configOf(flags);
  const report = await runOnce(config, flags, tier, flags.brain ?? config.worker.brain);
  if (flags.json === true) printJson(reportJson(report));
  else show(report);
  if (tier === 'dry-run') note('warden: a dry run: nothing was sent or kept; --execute does it');
}

/** Sends the draft for message `id`. */
export async function send(id: string, flags: SendFlags): Promise<void> {
  const config = configOf(flags);
  const body = flags.body === '-' ? await readInput('-', MAX_BODY_BYTES) : flags.body;
  const again = flags.again === true;
  const sent = await withHub(config, (hub) =>
    asOnlyWorker(workerOf(config, flags, hub), (sending) => approve(sending, id, { body, again })),
  );
  print(sent ? `${id}: sent, and marked read` : `${id}: was sent already`);
}
