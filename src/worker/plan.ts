/**
 * What a brain may propose: ops-warden's kinds of action, and nothing else (notes, section 6). A plan is data from outside, whichever brain
 * it comes from; what becomes of it is judge.ts's. Its words are never sent: an answer is put together from the catalog.
 */
import * as z from 'zod';

const summary = z.string().max(1_000).optional();
const nothing = z.strictObject({}).optional();

const action = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('route_answer'),
    summary,
    payload: z.strictObject({ lane: z.string().max(128) }),
  }),
  z.strictObject({
    kind: z.literal('reply'),
    summary,
    payload: z.strictObject({ body: z.string().min(1).max(4_000) }),
  }),
  z.strictObject({ kind: z.literal('progress_note'), summary, payload: nothing }),
  z.strictObject({ kind: z.literal('mark_read'), summary, payload: nothing }),
  z.strictObject({
    kind: z.literal('propose_catalog_diff'),
    summary,
    payload: z.strictObject({ diff: z.string().max(16_000) }),
  }),
  z.strictObject({ kind: z.literal('escalate'), summary, payload: nothing }),
]);

export const planSchema = z.strictObject({ actions: z.array(action).min(1).max(4) });
export type WorkerPlan = z.output<typeof planSchema>;

/** A plan that leaves the message to a person. */
export function escalation(why: string): WorkerPlan {
  return { actions: [{ kind: 'escalate', summary: why }] };
}
