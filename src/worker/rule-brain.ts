/**
 * The deterministic brain: answers a question that is clear, and leaves everything else to a person. Clear: it is short, it wants nothing
 * done, it asks, and all that it asks leads to one and the same lane in service.
 */
import type { Brain } from './judge.ts';
import type { FindLane, LanesFound } from './lanes.ts';
import type { HubMessage } from './message.ts';
import { escalation, type WorkerPlan } from './plan.ts';
import { isAsking, isDemand, sentencesOf } from './sentences.ts';

const MAX_SENTENCES = 12;
/** New messages of one run. */
const AT_MOST = 2_000;

const WHY: Readonly<Record<Exclude<LanesFound['outcome'], 'match'>, string>> = {
  none: 'no lane serves what it asks for',
  ambiguous: 'several lanes would serve it',
  draft: 'the lane that would serve it is not in service yet',
  retired: 'the lane that served it is retired',
};

/** The brain that looks lanes up by `findLane` and nothing else. */
export function ruleBrain(findLane: FindLane): Brain {
  return {
    name: 'rule',
    atMost: AT_MOST,
    atOnce: 1,
    plan: async (message) => planFor(message, findLane),
  };
}

function planFor({ subject, body }: HubMessage, findLane: FindLane): WorkerPlan {
  const sentences = sentencesOf(body);
  const all = [subject, ...sentences];
  if (sentences.length > MAX_SENTENCES) return escalation('it is more than a question');
  if (all.some(isDemand)) return escalation('it wants something done');
  const inBody = sentences.filter(isAsking);
  // A question in the subject alone, or a subject that is the need.
  const asked = inBody.length > 0 ? inBody : [subject].filter((text) => text.trim() !== '');
  if (asked.length === 0) return escalation('it asks nothing');
  const found = asked.map((need) => {
    const alone = findLane(need);
    // "How do I get it?" under a subject that says what.
    return alone.outcome === 'none' ? findLane(`${subject} ${need}`) : alone;
  });
  const unclear = found.map(({ outcome }) => outcome).find((outcome) => outcome !== 'match');
  if (unclear !== undefined) return escalation(WHY[unclear]);
  const ids = [...new Set(found.flatMap(({ lanes }) => lanes.slice(0, 1).map(({ id }) => id)))];
  const [lane] = ids;
  if (lane === undefined || ids.length > 1) return escalation('it asks for more than one thing');
  return { actions: [{ kind: 'route_answer', payload: { lane } }, { kind: 'mark_read' }] };
}
