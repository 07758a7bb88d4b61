/**
 * One run of the worker over the hub's unread messages, in ops-warden's tiers (notes, section 6): dry-run changes nothing; conservative sorts
 * new messages into digest and drafts and sends none of it; full-auto also sends the answers that come from the catalog. A message is new
 * once. Where an answer was given in a thread, what comes next in it is a person's: so two programs can't answer each other for ever.
 */
import { asWardenError, WardenError } from '../errors.ts';
import { addToDigest, type Decided, linesOf } from './digest.ts';
import { changeDrafts, type Draft } from './drafts.ts';
import { type Judging, judge } from './judge.ts';
import type { Inbox } from './message.ts';
import type { Memory } from './seen.ts';
import { noteProgress, resume, type Sending, sendReply } from './send.ts';

export type Tier = 'dry-run' | 'conservative' | 'full-auto';

/** Replies to the hub at the same time: their records share syncs. */
const AT_ONCE = 16;

export interface Report {
  readonly tier: Tier;
  readonly brain: string;
  /** In the hub's order. */
  readonly decided: readonly Decided[];
  /** Ids of the messages that were answered. */
  readonly answered: ReadonlySet<string>;
  /** Replies of an earlier run that may have been sent. */
  readonly lost: readonly Draft[];
  /** Messages that are of no form that the worker reads. */
  readonly unreadable: number;
  /** Messages that are left for the next run. */
  readonly waiting: number;
}

/** Does `work` for each, `atOnce` at a time. After a failure no other is begun; throws the first. */
async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  let failed = false;
  const one = async () => {
    while (next < items.length && !failed) {
      const item = items[next];
      next += 1;
      if (item === undefined) continue;
      try {
        await work(item);
      } catch (thrown) {
        failed = true;
        throw thrown;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, one));
  for (const result of ended) if (result.status === 'rejected') throw result.reason;
}

type Remembered = Pick<Memory, 'has' | 'hasAnswered'>;

/** Verdicts on new messages. */
async function decide(
  inbox: Inbox,
  judging: Judging,
  seen: Remembered,
): Promise<Pick<Report, 'decided' | 'waiting'>> {
  const fresh = inbox.messages.filter(({ id }) => !seen.has(id));
  const looked = fresh.slice(0, judging.brain.atMost);
  const found = new Map<string, Decided>();
  await each(looked, judging.brain.atOnce, async (message) => {
    found.set(message.id, { message, verdict: await judge(message, judging) });
  });
  const threads = new Set<string>();
  const decided = looked.flatMap(({ id }) => {
    const one = found.get(id);
    return one === undefined ? [] : [onceInThread(one, threads, seen)];
  });
  return { decided, waiting: inbox.waiting + fresh.length - looked.length };
}

function onceInThread(decided: Decided, threads: Set<string>, seen: Remembered): Decided {
  const { message, verdict } = decided;
  if (verdict.kind !== 'answer' || message.thread === undefined) return decided;
  if (threads.has(message.thread) || seen.hasAnswered(message.thread))
    return { message, verdict: { kind: 'escalate', why: 'its thread was answered already' } };
  threads.add(message.thread);
  return decided;
}

/** What would be done. `seen`: what is remembered. Throws what the hub throws. */
export async function dryRun(hub: Sending['hub'], judging: Judging, seen: Remembered): Promise<Report> {
  const inbox = await hub.unread();
  const found = await decide(inbox, judging, seen);
  const { unreadable } = inbox;
  return { tier: 'dry-run', brain: judging.brain.name, ...found, answered: new Set(), lost: [], unreadable };
}

/** Does it; under the worker's lock. Throws what hub, trail and state_dir throw, with what was done done. */
export async function execute(
  sending: Sending,
  judging: Judging,
  tier: Exclude<Tier, 'dry-run'>,
): Promise<Report> {
  const { hub, seen } = sending;
  const lost = await resume(sending);
  const inbox = await hub.unread();
  const { decided, waiting } = await decide(inbox, judging, seen);
  const answers = tier === 'full-auto' ? decided.filter(({ verdict }) => verdict.kind === 'answer') : [];
  const { answered, refused, failure } = await sendAll(sending, judging, answers);
  const report: Report = {
    tier,
    brain: judging.brain.name,
    decided: decided.map((one) => refused.get(one.message.id) ?? one),
    answered,
    lost,
    unreadable: inbox.unreadable,
    waiting,
  };
  // What was not sent because the hub went away is new again.
  const told = report.decided.filter(
    ({ message, verdict }) => tier !== 'full-auto' || verdict.kind !== 'answer' || answered.has(message.id),
  );
  await keep(sending, { ...report, decided: told });
  if (failure !== undefined) throw failure;
  if (told.length > 0) await noteProgress(sending, headingOf({ ...report, decided: told }));
  return report;
}

/** Sends answers; those that the hub refuses are left to a person. */
async function sendAll(sending: Sending, { brain }: Judging, answers: readonly Decided[]) {
  const answered = new Set<string>();
  const refused = new Map<string, Decided>();
  let failure: unknown;
  try {
    await each(answers, AT_ONCE, async ({ message, verdict }) => {
      if (verdict.kind !== 'answer') return;
      const { id, from: to, thread } = message;
      try {
        await sendReply(sending, { id, to, thread, body: verdict.body, lane: verdict.lane, by: brain.name });
        answered.add(id);
      } catch (thrown) {
        const { code, message: why } = asWardenError(thrown);
        if (code !== 'hub_refused') throw thrown;
        refused.set(id, { message, verdict: { kind: 'escalate', why } });
      }
    });
  } catch (thrown) {
    failure = thrown;
  }
  return { answered, refused, failure };
}

/** Drafts, digest, trail, and only then the seen store: a worker that is killed in between does it again. */
async function keep(sending: Sending, report: Report): Promise<void> {
  const { stateDir, trail, seen, now, caller } = sending;
  const { decided, answered, brain } = report;
  const left = decided.filter(({ message }) => !answered.has(message.id));
  const drafts = left.flatMap(({ message, verdict }): readonly Draft[] => {
    if (verdict.kind === 'escalate') return [];
    const { id, from, thread } = message;
    const lane = verdict.kind === 'answer' ? verdict.lane : undefined;
    const known = { message_id: id, from, subject: message.subject.slice(0, 400), body: verdict.body };
    return [{ ...known, thread_id: thread, lane, made: now() }];
  });
  if (drafts.length > 0) changeDrafts(stateDir, drafts);
  if (decided.length > 0 || report.lost.length > 0) {
    const lines = [
      ...report.lost.map(
        ({ message_id: id, from }) =>
          `${id} from ${from}: its reply may have been sent; look on the hub, then: warden worker approve ${id} --again`,
      ),
      ...decided.flatMap((one) => linesOf(one, !answered.has(one.message.id))),
    ];
    try {
      addToDigest(stateDir, `${now()}: ${headingOf(report)}`, lines);
    } catch (cause) {
      throw new WardenError('state_unwritable', `can't write the digest in ${stateDir}`, {
        hint: 'make state_dir writable for yourself',
        cause,
      });
    }
  }
  await Promise.all(
    decided.map(({ message, verdict }) =>
      trail.append({
        event: 'worker.triage',
        phase: 'single',
        outcome: verdict.kind === 'escalate' ? 'denied' : 'ok',
        corr: message.id,
        target: message.from,
        source: brain,
        lane: verdict.kind === 'answer' ? verdict.lane : undefined,
        message: answered.has(message.id)
          ? 'answered'
          : verdict.kind === 'escalate'
            ? verdict.why
            : 'drafted',
        caller,
      }),
    ),
  );
  await seen.mark(
    left.map(({ message: { id, from, thread }, verdict: { kind } }) => ({
      id,
      step: 'done',
      // An answer that is not sent is a draft.
      as: kind === 'answer' ? 'draft' : kind,
      from,
      thread,
    })),
  );
}

/** How a run went, in one line of the worker's own words. */
export function headingOf({ decided, answered, waiting, unreadable }: Report): string {
  const escalated = decided.filter(({ verdict }) => verdict.kind === 'escalate').length;
  const drafted = decided.length - escalated - answered.size;
  const counts = `${decided.length} new: ${answered.size} answered, ${drafted} drafted, ${escalated} for a person`;
  const more = waiting === 0 ? '' : `; ${waiting} wait for the next run`;
  return `${counts}${more}${unreadable === 0 ? '' : `; ${unreadable} can't be read`}`;
}
