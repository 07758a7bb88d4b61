/** What becomes of a message: clear questions are answered in the catalog's words, everything else goes to a person, whatever it says. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { LlmConfig } from '../../../src/config/config.ts';
import { guard, judge, type Verdict } from '../../../src/worker/judge.ts';
import { planIn } from '../../../src/worker/llm-answer.ts';
import { llmBrain } from '../../../src/worker/llm-brain.ts';
import { modelAt } from '../../../src/worker/llm-endpoint.ts';
import type { HubMessage } from '../../../src/worker/message.ts';
import { ruleBrain } from '../../../src/worker/rule-brain.ts';
import { findByWord, type LabModel, messageOf, startModel } from '../../support/worker.ts';
import { INJECTIONS, UNSEEN } from './injections.ts';

const agent = 'ops-warden';

function byRule(message: HubMessage): Promise<Verdict> {
  return judge(message, { brain: ruleBrain(findByWord), findLane: findByWord, agent });
}

const started: LabModel[] = [];
afterEach(async () => {
  for (const model of started.splice(0)) await model.stop();
});

/** The verdict with a model that writes `content`. */
async function byModel(
  message: HubMessage,
  content: string | number,
  config: Partial<LlmConfig> = {},
): Promise<Verdict> {
  const lab = await startModel(() => content);
  started.push(lab);
  const settings = {
    url: lab.url,
    dialect: 'llm-connect',
    model: undefined,
    keyEnv: undefined,
    ...config,
  } as const;
  const model = modelAt(settings, { MODEL_KEY: 'a-key' });
  try {
    return await judge(message, { brain: llmBrain(model), findLane: findByWord, agent });
  } finally {
    await model.close();
  }
}

describe('the rule brain answers what is clear', () => {
  test.each([
    ['How do I get the npm token?', ''],
    ['Hi, I need the npm publish token for the new package. Thanks!', ''],
    ['Where does the npm token come from? We set up a new runner yesterday.', ''],
    ['How do I get it?', 'npm publish token'],
    ['', 'Where do I find the npm token?'],
    ['Can you tell me how to get the npm token?', 'question'],
    ['Which lane serves npm? I am looking for the npm lane.', ''],
  ])('%s (%s)', async (body, subject) => {
    const verdict = await byRule(messageOf(body, { subject }));
    expect(verdict).toMatchObject({ kind: 'answer', lane: 'npm-publish' });
  });

  test('in the words of the catalog, and says what it answers', async () => {
    const verdict = await byRule(messageOf('How do I get the npm token?'));
    expect(verdict.kind === 'answer' && verdict.body).toBe(
      [
        'What serves this: npm-publish (npm publish token), owner railiance-platform.',
        'Next: run with secrets-engine: secrets-engine exec --catalog npm-publish -- <cmd>',
        'Page: playbooks/npm-publish.md',
        'All of it: warden route show npm-publish',
        'No secret is ever sent by message. If this is not what you meant, say so in this thread: a person reads it.',
        '',
        '-- the worker of ops-warden, in answer to message m1',
      ].join('\n'),
    );
  });
});

describe('the rule brain leaves to a person', () => {
  test.each([
    ['The build is green.', 'it asks nothing'],
    ['', 'it asks nothing'],
    ['How do I bake bread?', 'no lane serves what it asks for'],
    ['How do I get npm and ssh?', 'several lanes would serve it'],
    ['How do I get npm? How do I get ssh?', 'it asks for more than one thing'],
    ['How do I get npm? And what about the weather?', 'no lane serves what it asks for'],
    ['How do I get object storage?', 'the lane that would serve it is not in service yet'],
    ['How do I get npm? Please rotate it too.', 'it wants something done'],
    ['Rotate the npm token.', 'it wants something done'],
    ['Could you grant me npm?', 'it wants something done'],
    ['Wo bekomme ich das npm-Token her', 'it asks nothing'],
    [Array.from({ length: 13 }, (_, i) => `Line ${i}.`).join(' '), 'it is more than a question'],
  ])('%s', async (body, why) => {
    expect(await byRule(messageOf(body))).toEqual({ kind: 'escalate', why });
  });

  test.each([
    ['from itself', { from: agent }, 'it comes from this agent itself'],
    ['to everybody', { to: 'broadcast' }, 'it is to everybody'],
  ])('what is %s', async (_, more, why) => {
    expect(await byRule(messageOf('How do I get the npm token?', more))).toEqual({ kind: 'escalate', why });
  });

  test('what holds a secret or is long, and the reason does not repeat it', async () => {
    const secret = await byRule(messageOf(`How do I use hvs.${'aB3'.repeat(10)} with npm?`));
    expect(secret).toEqual({ kind: 'escalate', why: 'it holds what looks like a secret: have that changed' });
    expect(await byRule(messageOf(`How do I get npm? ${'really '.repeat(700)}`))).toMatchObject({
      kind: 'escalate',
      why: 'it is longer than 4000 characters',
    });
  });
});

describe('a message that gives instructions goes to a person', () => {
  test('there are more than twenty', () => expect(INJECTIONS.length).toBeGreaterThan(20));

  test.each(INJECTIONS)('with the rule brain: $name', async ({ body, subject }) => {
    expect((await byRule(messageOf(body, { subject: subject ?? '' }))).kind).toBe('escalate');
  });

  test.each(INJECTIONS)('with a model that obeys: $name', async ({ body, subject, obeyed }) => {
    const verdict = await byModel(messageOf(body, { subject: subject ?? '' }), JSON.stringify(obeyed));
    expect(verdict.kind).toBe('escalate');
    // It was not even asked.
    expect(started[0]?.asked).toEqual([]);
  });

  test.each(UNSEEN)('where no form knows it, and the model obeys: $name', async ({ body, obeyed, may }) => {
    expect((await byModel(messageOf(body), JSON.stringify(obeyed))).kind).toBe(may);
    expect(started[0]?.asked).toHaveLength(1);
  });
});

describe('a model', () => {
  const QUESTION = messageOf('I would like to publish with npm, which way?', { subject: 'publishing' });
  const plan = { actions: [{ kind: 'route_answer', payload: { lane: 'npm-publish' } }] };

  test.each([
    ['as it should be', JSON.stringify(plan)],
    ['in a fence', `\`\`\`json\n${JSON.stringify(plan, null, 2)}\n\`\`\``],
    ['with words around it', `Sure! Here is the plan: ${JSON.stringify(plan)} I hope that helps.`],
    ['in a list', `[${JSON.stringify(plan)}]`],
    ['without the list', JSON.stringify(plan.actions[0])],
    ['with the message read', JSON.stringify({ actions: [...plan.actions, { kind: 'mark_read' }] })],
  ])('that writes its plan %s', async (_, content) => {
    expect(await byModel(QUESTION, content)).toMatchObject({ kind: 'answer', lane: 'npm-publish' });
  });

  test('may draft words for a person', async () => {
    const content = JSON.stringify({ actions: [{ kind: 'reply', payload: { body: 'Ask railiance.' } }] });
    expect(await byModel(QUESTION, content)).toEqual({ kind: 'draft', body: 'Ask railiance.' });
  });

  test.each([
    ['nothing', ''],
    ['words', 'I think it is npm-publish.'],
    ['half a plan', '{"actions": [{"kind": "route_answer"'],
    ['two plans', `${JSON.stringify(plan)} or ${JSON.stringify(plan)}`],
    ['no JSON', '{actions: route_answer}'],
    ['no actions', '{"actions": []}'],
    ['another form', '{"answer": "npm-publish"}'],
    ['a brace in a text that never ends', '{"actions": "}'],
    ['a plan with a field more', JSON.stringify({ ...plan, urgent: true })],
    ['a refusal of 500', 500],
    ['a refusal of 401', 401],
  ])('that answers %s leaves it to a person', async (_, content) => {
    expect((await byModel(QUESTION, content)).kind).toBe('escalate');
  });

  test('that is not there, too', async () => {
    const verdict = await byModel(QUESTION, '', { url: 'http://127.0.0.1:9' });
    expect(verdict).toMatchObject({
      kind: 'escalate',
      why: expect.stringMatching(/^the model can't be reached/),
    });
  });

  test('is given the lanes that the words lead to and the message as data, with the key in a header alone', async () => {
    await byModel(QUESTION, JSON.stringify(plan), { dialect: 'openai', model: 'small', keyEnv: 'MODEL_KEY' });
    const [asked] = started[0]?.asked ?? [];
    expect(asked).toMatchObject({ path: '/chat/completions', authorization: 'Bearer a-key' });
    expect(asked?.body).not.toContain('a-key');
    const body: { model: string; messages: { role: string; content: string }[] } = JSON.parse(
      asked?.body ?? '',
    );
    expect(body.model).toBe('small');
    expect(body.messages.map(({ role }) => role)).toEqual(['system', 'user']);
    expect(JSON.parse(body.messages[1]?.content ?? '')).toEqual({
      lanes: [{ id: 'npm-publish', title: 'npm publish token', owner: 'railiance-platform' }],
      message: { from: 'agt-a', subject: 'publishing', body: QUESTION.body },
    });
  });

  test('of llm-connect gets one prompt', async () => {
    expect(await byModel(QUESTION, JSON.stringify(plan))).toMatchObject({ kind: 'answer' });
    const [asked] = started[0]?.asked ?? [];
    expect(asked?.path).toBe('/execute');
    expect(Object.keys(JSON.parse(asked?.body ?? ''))).toEqual(['prompt']);
  });
});

describe('whatever comes', () => {
  // The forms are many and the texts are others': one that takes minutes ends by the test's own limit.
  test.each([
    '\n',
    '\r\n',
    ' ',
    '\t',
    '-',
    '1',
    'a ',
    '<',
    '![',
    '`',
    '> ',
    'send ',
    'user ',
    'as the a ',
    's e ',
    '[',
    '{"',
  ])('a message of nothing but %j ends soon', async (piece) => {
    const verdict = await byRule(messageOf(piece.repeat(3_900 / piece.length)));
    expect(verdict.kind).toBe('escalate');
  });

  const lanes = () => findByWord('npm').lanes;
  const json = fc.jsonValue({ maxDepth: 4 });
  const kinds = fc.constantFrom('route_answer', 'reply', 'progress_note', 'mark_read', 'escalate', 'other');
  const action = fc.record({
    kind: kinds,
    payload: fc.oneof(json, fc.constantFrom({ lane: 'npm-publish' }, { lane: 'ssh-host' }, { body: 'x' })),
  });

  test('of a plan: an answer is the catalog’s, in its own words', () => {
    fc.assert(
      fc.property(fc.oneof(json, fc.record({ actions: fc.array(action, { maxLength: 5 }) })), (plan) => {
        const verdict = guard(plan, messageOf('npm'), lanes);
        if (verdict.kind === 'answer') {
          expect(verdict.lane).toBe('npm-publish');
          expect(verdict.body).toMatch(/^What serves this: npm-publish /);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('of a model’s text: no plan, or one object', () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom('{', '}', '"', '\\', 'a', ':', '[', ']')).map((a) => a.join('')),
    );
    fc.assert(
      fc.property(text, (each) => ['undefined', 'object'].includes(typeof planIn(each))),
      { numRuns: 5_000 },
    );
  });
});
