/**
 * A reply, at most once whatever happens, and in the trail: no durable record, no reply. What a killed worker has left is ended by `resume`:
 * a reply that is found on the hub counts as sent; one that is not is left to a person, since it may still be on its way.
 */
import { createHash } from 'node:crypto';
import { asWardenError } from '../errors.ts';
import type { RecordInput } from '../trail/record.ts';
import type { Trail } from '../trail/trail.ts';
import { closing } from './answer.ts';
import { changeDrafts, type Draft, readDrafts } from './drafts.ts';
import type { Hub } from './hub.ts';
import type { Seen, SeenLine } from './seen.ts';

export interface Sending {
  readonly hub: Hub;
  readonly seen: Pick<Seen, 'has' | 'hasAnswered' | 'lineOf' | 'mark' | 'unfinished'>;
  readonly trail: Pick<Trail, 'append'>;
  readonly stateDir: string;
  /** ISO 8601. */
  readonly now: () => string;
  readonly caller: RecordInput['caller'];
}

export interface Reply {
  readonly id: string;
  readonly to: string;
  readonly thread: string | undefined;
  readonly body: string;
  readonly lane: string | undefined;
  /** Whose words or choice it is. */
  readonly by: 'rule' | 'llm' | 'person';
}

/** What is known of a message for its records. */
function recordOf(caller: RecordInput['caller'], id: string, to: string, lane: string | undefined) {
  return { corr: id, target: to, lane, caller };
}

/** What remains of a reply that is left to a person. */
const AS_DRAFT = { as: 'draft', body: undefined, step: 'done' } as const;

const subjectOf = (id: string) => `In answer to your message ${id}`;

function lineOf({ id, to, thread, lane, body }: Reply): Omit<SeenLine, 'step'> {
  return { id, as: 'answer', from: to, thread, lane, body };
}

/** Does something between an intent and a result in the trail. Throws what it throws, after the result. */
async function recorded(
  trail: Sending['trail'],
  record: Omit<RecordInput, 'phase' | 'outcome'>,
  work: () => Promise<void>,
): Promise<void> {
  await trail.append({ ...record, phase: 'intent' });
  try {
    await work();
  } catch (thrown) {
    const { code, message } = asWardenError(thrown);
    const outcome = code === 'hub_refused' ? 'denied' : 'error';
    await trail.append({ ...record, phase: 'result', outcome, error_code: code, message });
    throw thrown;
  }
  await trail.append({ ...record, phase: 'result', outcome: 'ok' });
}

/** Sends it and marks the message read. Throws WardenError; with `hub_refused` the message is a person's now. */
export async function sendReply(sending: Sending, reply: Reply): Promise<void> {
  const { hub, seen, trail, caller } = sending;
  const { id, to, thread, body, by } = reply;
  const line = lineOf(reply);
  await seen.mark([{ ...line, step: 'sending' }]);
  const record = { event: 'worker.reply', ...recordOf(caller, id, to, reply.lane), source: by } as const;
  let asked = false;
  let sent = false;
  try {
    await recorded(trail, record, async () => {
      asked = true;
      const key = createHash('sha256').update(`reply\n${id}`).digest('hex');
      await hub.send({ to, subject: subjectOf(id), body, thread, key });
      sent = true;
      await seen.mark([{ ...line, body: undefined, step: 'sent' }]);
    });
  } catch (thrown) {
    const { code } = asWardenError(thrown);
    // Nothing has left: there is no record of it, or nobody to send it to, or it was not wanted.
    const back = !asked || (!sent && ['hub_unreachable', 'hub_refused', 'malformed'].includes(code));
    const toPerson = by === 'person' || code === 'hub_refused';
    if (back)
      await seen.mark([toPerson ? { ...line, ...AS_DRAFT } : { ...line, body: undefined, step: 'released' }]);
    throw thrown;
  }
  await markRead(sending, { ...line, body: undefined, step: 'sent' });
}

/** May be done more than once: it changes nothing then. */
async function markRead({ hub, seen, trail, caller }: Sending, line: SeenLine): Promise<void> {
  const record = { event: 'worker.read', ...recordOf(caller, line.id, line.from, line.lane) } as const;
  try {
    await hub.markRead(line.id);
    await trail.append({ ...record, phase: 'single', outcome: 'ok' });
  } catch (thrown) {
    // The message is gone: then it is not unread.
    const { code, message } = asWardenError(thrown);
    if (code !== 'hub_refused') throw thrown;
    await trail.append({ ...record, phase: 'single', outcome: 'denied', error_code: code, message });
  }
  await seen.mark([{ ...line, step: 'done' }]);
}

/** Ends what another worker has begun. Returns the replies that may have been sent, as drafts, which are kept. Throws what the hub throws. */
export async function resume(sending: Sending): Promise<readonly Draft[]> {
  const { hub, seen, trail, stateDir, caller, now } = sending;
  const lost: Draft[] = [];
  for (const line of seen.unfinished()) {
    const { id, from, thread, lane, body = '' } = line;
    const record = {
      event: 'worker.reply',
      phase: 'result',
      ...recordOf(caller, id, from, lane),
    } as const;
    if (line.step === 'sending') {
      const found = (await hub.sentTo(from)).some((text) => text.includes(closing(id)));
      if (!found) {
        const draft: Draft = {
          message_id: id,
          from,
          subject: readDrafts(stateDir).get(id)?.subject ?? '',
          body,
          thread_id: thread,
          lane,
          made: now(),
          maybe_sent: true,
        };
        await trail.append({
          ...record,
          outcome: 'error',
          message: 'a worker was stopped while it sent this, and it is not on the hub: left to a person',
        });
        changeDrafts(stateDir, [draft]);
        await seen.mark([{ ...line, ...AS_DRAFT }]);
        lost.push(draft);
        continue;
      }
      await trail.append({ ...record, outcome: 'ok', message: 'found on the hub' });
      await seen.mark([{ ...line, body: undefined, step: 'sent' }]);
    }
    await markRead(sending, { ...line, body: undefined, step: 'sent' });
    changeDrafts(stateDir, [], [id]);
  }
  return lost;
}

/** One progress note on the hub. Throws what the hub and the trail throw. */
export async function noteProgress({ hub, trail, caller }: Sending, summary: string): Promise<void> {
  await recorded(trail, { event: 'worker.note', message: summary, caller }, () => hub.noteProgress(summary));
}
