/**
 * What becomes of a message: the guardrails around whichever brain (notes of ops-warden, section 6). The worst that a message, or a model
 * that obeys it, can bring about is that its sender is told, in the catalog's own words, of a lane that the sender's own words lead to:
 * words of a message or of a model are only sent by a person. Everything that is not plainly allowed goes to a person.
 */
import { looksSecret } from '../system/secret-shapes.ts';
import { alarmOf } from './alarm.ts';
import { answerFrom } from './answer.ts';
import type { FindLane, LaneFacts } from './lanes.ts';
import type { HubMessage } from './message.ts';
import { planSchema, type WorkerPlan } from './plan.ts';
import { needsOf } from './sentences.ts';

export interface Brain {
  readonly name: 'rule' | 'llm';
  /** Messages that it is given in one run. */
  readonly atMost: number;
  /** And at the same time. */
  readonly atOnce: number;
  /** A plan, which nobody has checked. `lanes` are those that the message's own words lead to. Never rejects. */
  plan(message: HubMessage, lanes: () => readonly LaneFacts[]): Promise<unknown>;
}

export type Verdict =
  /** Warden's own words, from the catalog. */
  | { readonly kind: 'answer'; readonly lane: string; readonly body: string }
  /** A model's words, for a person to send or not. */
  | { readonly kind: 'draft'; readonly body: string }
  | { readonly kind: 'escalate'; readonly why: string };

export interface Judging {
  readonly brain: Brain;
  readonly findLane: FindLane;
  /** Who this is on the hub. */
  readonly agent: string;
}

const escalate = (why: string): Verdict => ({ kind: 'escalate', why });

/** Every active lane that some sentence of the message leads to. */
export function candidatesOf(message: HubMessage, findLane: FindLane): readonly LaneFacts[] {
  const found = needsOf(message).flatMap((need) => {
    const { outcome, lanes } = findLane(need);
    return outcome === 'match' || outcome === 'ambiguous' ? lanes : [];
  });
  return [...new Map(found.map((lane) => [lane.id, lane])).values()];
}

/** Decides. Never rejects. */
export async function judge(message: HubMessage, { brain, findLane, agent }: Judging): Promise<Verdict> {
  const alarm = alarmOf(message, agent);
  if (alarm !== undefined) return escalate(alarm);
  // Looked for only where a plan comes that far.
  const lanes = () => candidatesOf(message, findLane);
  return guard(await brain.plan(message, lanes), message, lanes);
}

/** Holds a plan against what may be done for the message. */
export function guard(plan: unknown, message: HubMessage, lanes: () => readonly LaneFacts[]): Verdict {
  const { data } = planSchema.safeParse(plan);
  if (data === undefined) return escalate('the plan is none, or has what no plan may have');
  const left = data.actions.find(({ kind }) => kind === 'escalate' || kind === 'propose_catalog_diff');
  if (left !== undefined) return guardWords(escalate(left.summary ?? 'the brain leaves it to a person'));
  return guardWords(verdictOf(data, message, lanes));
}

function verdictOf({ actions }: WorkerPlan, message: HubMessage, lanes: () => readonly LaneFacts[]): Verdict {
  // Reading it and the run's note come with an answer, by themselves; alone they would hide the message.
  const [words, ...more] = actions.filter(
    (action) => action.kind === 'route_answer' || action.kind === 'reply',
  );
  if (words === undefined) return escalate('the plan answers nothing');
  if (more.length > 0) return escalate('the plan answers more than once');
  if (words.kind === 'reply') return { kind: 'draft', body: words.payload.body };
  const lane = lanes().find(({ id }) => id === words.payload.lane);
  if (lane === undefined) return escalate('the plan names a lane that the message’s words do not lead to');
  return { kind: 'answer', lane: lane.id, body: answerFrom(lane, message.id) };
}

/** The last look at what would go out, or be offered to a person. */
function guardWords(verdict: Verdict): Verdict {
  if (!looksSecret(verdict.kind === 'escalate' ? verdict.why : verdict.body)) return verdict;
  return escalate('what the brain says looks like a secret');
}
