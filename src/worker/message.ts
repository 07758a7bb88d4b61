/**
 * A message of the State Hub, read with limits: whoever can reach the hub can write one, so nothing in it is believed. Ids and names that
 * could mean something to a path, a header or the trail make a message unreadable. Source: notes of ops-warden, section 6, "Hub API".
 */
import * as z from 'zod';
import { holdsToken } from '../system/secret-shapes.ts';

/** Messages that are read of a list. Those that a person has not read yet stay in it, and must not hide the new ones. */
export const MAX_LISTED = 20_000;

export interface HubMessage {
  readonly id: string;
  /** Who wrote it, as the hub says. */
  readonly from: string;
  /** This agent, or `broadcast`. */
  readonly to: string;
  readonly subject: string;
  readonly body: string;
  readonly thread: string | undefined;
}

export interface Inbox {
  readonly messages: readonly HubMessage[];
  /** How many were not of that form. */
  readonly unreadable: number;
  /** How many more there are than are read of a list. */
  readonly waiting: number;
}

const id = z
  .union([z.string(), z.number().int().nonnegative()])
  .transform(String)
  .pipe(
    // In a path, at the end of a reply and in the trail.
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/),
  );

const agentName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/)
  .refine((text) => !holdsToken(text));

const message = z.looseObject({
  id,
  from_agent: agentName,
  to_agent: agentName.nullish(),
  subject: z.string().max(4096).nullish(),
  body: z
    .string()
    .max(256 * 1024)
    .nullish(),
  thread_id: id.nullish(),
});

const list = z.union([
  z.array(z.unknown()),
  z.looseObject({ messages: z.array(z.unknown()) }).transform(({ messages }) => messages),
]);

/** The hub's list of messages to `agent`. Throws ZodError where it is none. */
export function readInbox(answer: unknown, agent: string): Inbox {
  const all = list.parse(answer);
  const parsed = all.slice(0, MAX_LISTED).map((each) => message.safeParse(each));
  const messages = parsed.flatMap(({ data }) => {
    if (data === undefined) return [];
    const { id: name, from_agent: from, to_agent: to, subject, body, thread_id: thread } = data;
    const texts = { subject: subject ?? '', body: body ?? '' };
    return [{ id: name, from, to: to ?? agent, ...texts, thread: thread ?? undefined }];
  });
  // The same message twice is one.
  const distinct = [...new Map(messages.map((each) => [each.id, each])).values()];
  return {
    messages: distinct,
    unreadable: parsed.length - messages.length,
    waiting: all.length - parsed.length,
  };
}

/** A message for the view: who wrote to whom about what, and when. */
export interface DatedMessage {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

// What the hub calls its times is not in the notes.
const dated = z.looseObject({ created_at: z.string().optional(), timestamp: z.string().optional() });

/** The messages of a list that say when they were written, and how many don't or are of another form. Throws ZodError where it is none. */
export function readDated(answer: unknown): {
  readonly messages: readonly DatedMessage[];
  readonly others: number;
} {
  const all = list.parse(answer);
  const messages = all.slice(0, MAX_LISTED).flatMap((each) => {
    const { data } = message.safeParse(each);
    const times = dated.safeParse(each).data;
    const at = Date.parse(times?.created_at ?? times?.timestamp ?? '');
    if (data === undefined || Number.isNaN(at)) return [];
    return [{ id: data.id, from: data.from_agent, to: data.to_agent ?? '', subject: data.subject ?? '', at }];
  });
  return { messages, others: all.length - messages.length };
}

/** The texts of a list of messages, whatever else they hold. Throws ZodError where it is no list. */
export function readBodies(answer: unknown): readonly string[] {
  return list.parse(answer).flatMap((each) => {
    const { data } = z.looseObject({ body: z.string() }).safeParse(each);
    return data === undefined ? [] : [data.body];
  });
}
