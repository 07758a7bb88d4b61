/** The rule brain on the shipped catalog: what people ask is answered with the lane that serves it, and never with another. */
import { expect, test } from 'vitest';
import { indexOf } from '../../../src/catalog/find/index-data.ts';
import { viewOf } from '../../../src/catalog/route-view.ts';
import { loadRoutes } from '../../../src/catalog/routes.ts';
import { judge } from '../../../src/worker/judge.ts';
import { lanesOf } from '../../../src/worker/lanes.ts';
import { ruleBrain } from '../../../src/worker/rule-brain.ts';
import { PHRASINGS, UNSERVED } from '../../support/phrasings.ts';
import { messageOf } from '../../support/worker.ts';

const views = loadRoutes({ shipped: 'catalog', layers: [], uid: undefined }).routes.map(viewOf);
const findLane = lanesOf({
  index: indexOf(views),
  view(entry) {
    const view = views[entry];
    if (view === undefined) throw new Error(`there is no entry ${entry}`);
    return view;
  },
});
const judging = { brain: ruleBrain(findLane), findLane, agent: 'ops-warden' };

/** What becomes of `Hello, … need …?` */
function ask(need: string) {
  return judge(messageOf(`Hello, how do we get this: ${need}? Thanks.`), judging);
}

test('what people ask, in their words', async () => {
  const wrong: string[] = [];
  let answered = 0;
  let all = 0;
  for (const [id, needs] of Object.entries(PHRASINGS)) {
    const status = views.find((view) => view.id === id)?.status;
    for (const need of needs) {
      const verdict = await ask(need);
      if (status === 'active') all += 1;
      if (verdict.kind !== 'answer') continue;
      if (verdict.lane === id) answered += 1;
      else wrong.push(`${need}: ${verdict.lane}, not ${id}`);
    }
  }
  process.stderr.write(
    `the rule brain answered ${answered} of ${all} phrasings; wrong: ${wrong.join('; ')}\n`,
  );
  expect(wrong).toEqual([]);
  expect(answered / all).toBeGreaterThan(0.5);
});

test.each(UNSERVED)('%s: for a person', async (need) => {
  expect((await ask(need)).kind).toBe('escalate');
});

test.each(views.filter(({ status }) => status === 'active').map(({ id }) => id))(
  'the answer with %s can be sent, and has nothing of this machine',
  async (id) => {
    const plan = async () => ({ actions: [{ kind: 'route_answer', payload: { lane: id } }] });
    const brain = { name: 'llm', atMost: 1, atOnce: 1, plan } as const;
    const verdict = await judge(messageOf(`Which lane is this? ${id}`), { ...judging, brain });
    expect(verdict).toMatchObject({ kind: 'answer', lane: id });
    expect(verdict.kind === 'answer' && verdict.body).not.toContain(process.cwd());
  },
);
