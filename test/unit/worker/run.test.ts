/** The tiers, and what is left when hub, disk or a person's haste come in between: in the test's process, on the stand-in of the hub. */
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LabHub, type LabRequest, startLabHub } from '../../../src/lab/hub.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { recordSchema, type TrailRecord } from '../../../src/trail/record.ts';
import { approve } from '../../../src/worker/approve.ts';
import { readDrafts } from '../../../src/worker/drafts.ts';
import { type Hub, hubClient } from '../../../src/worker/hub.ts';
import type { Brain } from '../../../src/worker/judge.ts';
import { ruleBrain } from '../../../src/worker/rule-brain.ts';
import { dryRun, execute, headingOf, type Report, type Tier } from '../../../src/worker/run.ts';
import { readMemory, Seen } from '../../../src/worker/seen.ts';
import { asOnlyWorker } from '../../../src/worker/session.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';
import { findByWord } from '../../support/worker.ts';

let lab: LabHub;
let hub: Hub;
let directory: TempDirectory;
let stateDir: string;
let before: (request: LabRequest) => 'break' | number | undefined;
let after: (request: LabRequest) => 'break' | undefined;

beforeEach(async () => {
  before = () => undefined;
  after = () => undefined;
  directory = tempDirectory('worker-');
  stateDir = directory.join('state');
  lab = await startLabHub({
    before: async (request) => before(request),
    after: async (request) => after(request),
  });
  hub = hubClient(lab.url, 'ops-warden');
});
afterEach(async () => {
  await hub.close();
  await lab.stop();
  directory.remove();
});

const judging = { brain: ruleBrain(findByWord), findLane: findByWord, agent: 'ops-warden' };
const worker = () => ({ hub, stateDir, clock: systemClock, caller: { pid: 1 } });

function runIn(tier: Exclude<Tier, 'dry-run'>, brain: Brain = judging.brain): Promise<Report> {
  return asOnlyWorker(worker(), (sending) => execute(sending, { ...judging, brain }, tier));
}
function approveIn(id: string, body?: string, again = false): Promise<boolean> {
  return asOnlyWorker(worker(), (sending) => approve(sending, id, { body, again }));
}

function ask(id: string, more: Partial<Parameters<LabHub['put']>[0]> = {}) {
  return lab.put({
    id,
    from_agent: 'agt-a',
    subject: 'npm',
    body: 'How do I get the npm token?',
    ...more,
  });
}
const unread = () =>
  lab.messages.filter((message) => message.to_agent === 'ops-warden' && message.read_at === null);
const replies = () => lab.messages.filter(({ from_agent }) => from_agent === 'ops-warden');

function trail(): TrailRecord[] {
  const text = readFileSync(join(stateDir, 'audit', 'trail.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => recordSchema.parse(JSON.parse(line)));
}
const events = () =>
  trail().map(({ event, phase, outcome = '-', corr = '' }) =>
    `${event} ${phase} ${outcome} ${corr}`.trimEnd(),
  );

test('dry-run says what would be done and changes nothing', async () => {
  ask('m1');
  ask('m2', { body: 'Rotate it.' });
  const report = await dryRun(hub, judging, readMemory(stateDir));
  expect(report.decided.map(({ verdict }) => verdict.kind)).toEqual(['answer', 'escalate']);
  expect(existsSync(stateDir)).toBe(false);
  expect([replies().length, unread().length, lab.notes.length]).toEqual([0, 2, 0]);
});

describe('conservative', () => {
  test('sorts new messages into digest and drafts, sends none of it, and writes one note', async () => {
    ask('m1');
    ask('m2', { body: 'Rotate it.', subject: 'urgent\u001b[2J' });
    const report = await runIn('conservative');
    expect(headingOf(report)).toBe('2 new: 0 answered, 1 drafted, 1 for a person');
    expect([replies().length, unread().length]).toEqual([0, 2]);
    expect(lab.notes).toEqual([headingOf(report)]);
    expect([...readDrafts(stateDir).values()]).toMatchObject([
      {
        message_id: 'm1',
        from: 'agt-a',
        lane: 'npm-publish',
        body: expect.stringContaining('secrets-engine'),
      },
    ]);
    const digest = readFileSync(join(stateDir, 'worker-digest.md'), 'utf8');
    expect(digest).toContain('send it: warden worker approve m1');
    expect(digest).toContain(
      'm2 from agt-a: "urgent?[2J"\n      for a person: it has characters that a reader does not see',
    );
    expect(events()).toEqual([
      'worker.triage single ok m1',
      'worker.triage single denied m2',
      'worker.note intent -',
      'worker.note result ok',
    ]);
    for (const name of ['worker-digest.md', 'worker-drafts.json', 'worker-seen.jsonl'])
      expect(readdirSync(stateDir)).toContain(name);
  });

  test('a message is new once', async () => {
    ask('m1');
    await runIn('conservative');
    const second = await runIn('conservative');
    expect(headingOf(second)).toBe('0 new: 0 answered, 0 drafted, 0 for a person');
    expect(lab.notes).toHaveLength(1);
    ask('m2');
    expect((await runIn('conservative')).decided.map(({ message }) => message.id)).toEqual(['m2']);
    // The draft of m1 waits for a person, in whichever tier.
    await runIn('full-auto');
    expect([...readDrafts(stateDir).keys()]).toEqual(['m1', 'm2']);
  });

  test('unread messages that were dealt with do not hide the new ones', async () => {
    const brain: Brain = { ...judging.brain, atMost: 2 };
    for (let i = 0; i < 5; i += 1) ask(`m${i}`, { body: 'Rotate it.' });
    const runs = [await runIn('conservative', brain), await runIn('conservative', brain)];
    expect(runs.map(({ waiting }) => waiting)).toEqual([3, 1]);
    const last = await runIn('conservative', brain);
    expect(last.decided.map(({ message }) => message.id)).toEqual(['m4']);
    expect(unread()).toHaveLength(5);
  });

  test('a subject that looks like a secret is not in the digest', async () => {
    const secret = `hvs.${'aB3'.repeat(10)}`;
    ask('m1', { subject: secret });
    await runIn('conservative');
    for (const name of ['worker-digest.md', 'worker-drafts.json', 'worker-seen.jsonl', 'audit/trail.jsonl'])
      if (existsSync(join(stateDir, name)))
        expect(readFileSync(join(stateDir, name), 'utf8'), name).not.toContain(secret);
  });
});

describe('full-auto', () => {
  test('answers in the thread, marks read, and leaves the rest to a person', async () => {
    ask('m1', { thread_id: 't9' });
    ask('m2', { body: 'Rotate it.' });
    const report = await runIn('full-auto');
    expect(headingOf(report)).toBe('2 new: 1 answered, 0 drafted, 1 for a person');
    expect(replies()).toMatchObject([
      { to_agent: 'agt-a', thread_id: 't9', subject: 'In answer to your message m1' },
    ]);
    expect(unread().map(({ id }) => id)).toEqual(['m2']);
    expect(events()).toEqual([
      'worker.reply intent - m1',
      'worker.reply result ok m1',
      'worker.read single ok m1',
      'worker.triage single ok m1',
      'worker.triage single denied m2',
      'worker.note intent -',
      'worker.note result ok',
    ]);
    expect(trail()[0]).toMatchObject({
      code: 'W4002I',
      source: 'rule',
      lane: 'npm-publish',
      target: 'agt-a',
    });
  });

  test('words of a model are a draft', async () => {
    ask('m1');
    const brain: Brain = {
      name: 'llm',
      atMost: 1,
      atOnce: 1,
      plan: async () => ({ actions: [{ kind: 'reply', payload: { body: 'Ask railiance.' } }] }),
    };
    ask('m2');
    const report = await runIn('full-auto', brain);
    expect(headingOf(report)).toBe('1 new: 0 answered, 1 drafted, 0 for a person; 1 wait for the next run');
    expect(replies()).toEqual([]);
    expect(readDrafts(stateDir).get('m1')).toMatchObject({ body: 'Ask railiance.' });
  });

  test('one answer in a thread: two programs don’t answer each other for ever', async () => {
    ask('m1', { thread_id: 't' });
    ask('m2', { thread_id: 't' });
    const first = await runIn('full-auto');
    expect(first.answered).toEqual(new Set(['m1']));
    ask('m3', { thread_id: 't' });
    const [third] = (await runIn('full-auto')).decided;
    expect(third?.verdict).toEqual({ kind: 'escalate', why: 'its thread was answered already' });
    expect(replies()).toHaveLength(1);
  });

  test('a reply that the hub refuses is a person’s, and the others go on', async () => {
    ask('m1');
    ask('m2', { from_agent: 'agt-b' });
    before = ({ method, body }) => (method === 'POST' && body.includes('message m1"') ? 403 : undefined);
    const report = await runIn('full-auto');
    expect(report.decided.map(({ verdict }) => verdict.kind)).toEqual(['escalate', 'answer']);
    expect(replies()).toHaveLength(1);
    expect(events()).toContain('worker.reply result denied m1');
    expect(headingOf(await runIn('full-auto'))).toMatch(/^0 new/);
  });

  test('where the hub goes away before a reply is sent, the message is new again', async () => {
    ask('m1');
    // A connection of its own: of a kept one it can't be known.
    const gone = hubClient('http://127.0.0.1:9', 'ops-warden');
    hub = { ...hub, send: (letter) => gone.send(letter) };
    await expect(runIn('full-auto')).rejects.toMatchObject({ code: 'hub_unreachable' });
    await gone.close();
    expect(readMemory(stateDir).has('m1')).toBe(false);
    expect(events()).toEqual(['worker.reply intent - m1', 'worker.reply result error m1']);
  });

  test.each([
    ['before it acted', false],
    ['after it acted', true],
  ])('where the hub breaks off a reply %s, nothing is sent twice', async (_, acted) => {
    ask('m1');
    ask('m2', { body: 'Rotate it.' });
    const fault = ({ path, method }: LabRequest) =>
      method === 'POST' && path === '/messages/' ? ('break' as const) : undefined;
    if (acted) after = fault;
    else before = fault;
    await expect(runIn('full-auto')).rejects.toMatchObject({ code: 'hub_failed' });
    // What has nothing to do with it is done.
    expect(readMemory(stateDir).lineOf('m2')).toMatchObject({ step: 'done' });
    before = () => undefined;
    after = () => undefined;
    const { lost } = await runIn('full-auto');
    expect(replies()).toHaveLength(acted ? 1 : 0);
    expect(lost).toHaveLength(acted ? 0 : 1);
    expect(unread().some(({ id }) => id === 'm1')).toBe(!acted);
    if (acted) return;

    expect(readFileSync(join(stateDir, 'worker-digest.md'), 'utf8')).toContain('may have been sent');
    await expect(approveIn('m1')).rejects.toMatchObject({ code: 'hub_failed' });
    expect(await approveIn('m1', undefined, true)).toBe(true);
    expect(replies()).toHaveLength(1);
    expect(await approveIn('m1', undefined, true)).toBe(false);
    expect(replies()).toHaveLength(1);
  });

  test('where it could not be marked read, that is done later, and the reply is not sent again', async () => {
    ask('m1');
    before = ({ method }) => (method === 'PATCH' ? 500 : undefined);
    await expect(runIn('full-auto')).rejects.toMatchObject({ code: 'hub_failed' });
    expect(readMemory(stateDir).lineOf('m1')).toMatchObject({ step: 'sent' });
    before = () => undefined;
    await runIn('full-auto');
    expect([replies().length, unread().length]).toEqual([1, 0]);
  });

  test('no record in the trail, no reply', async () => {
    ask('m1');
    await runIn('conservative');
    ask('m2');
    const whole = asOnlyWorker(worker(), (sending) =>
      execute(
        { ...sending, trail: { append: () => Promise.reject(new Error('the disk is full')) } },
        judging,
        'full-auto',
      ),
    );
    await expect(whole).rejects.toThrow('the disk is full');
    expect(replies()).toEqual([]);
    expect(readMemory(stateDir).has('m2')).toBe(false);
  });
});

describe('a person approves', () => {
  test('a draft as it is: sent, read, dropped', async () => {
    ask('m1', { thread_id: 't1' });
    await runIn('conservative');
    expect(await approveIn('m1')).toBe(true);
    expect(replies()).toMatchObject([{ to_agent: 'agt-a', thread_id: 't1' }]);
    expect([unread().length, readDrafts(stateDir).size]).toEqual([0, 0]);
    expect(trail().find(({ event }) => event === 'worker.reply')).toMatchObject({ source: 'person' });
  });

  test('with other words, which are signed so that they are found again', async () => {
    ask('m1');
    await runIn('conservative');
    await approveIn('m1', 'Ask railiance.');
    expect(replies()[0]?.body).toBe('Ask railiance.\n\n-- the worker of ops-warden, in answer to message m1');
  });

  test('no secret', async () => {
    ask('m1');
    await runIn('conservative');
    await expect(approveIn('m1', `it is hvs.${'aB3'.repeat(10)}`)).rejects.toMatchObject({
      code: 'malformed',
    });
    expect([replies().length, readDrafts(stateDir).size]).toEqual([0, 1]);
  });

  test('what the hub does not take: the draft stays, and the message is not new', async () => {
    ask('m1');
    await runIn('conservative');
    before = ({ method }) => (method === 'POST' ? 403 : undefined);
    await expect(approveIn('m1')).rejects.toMatchObject({ code: 'hub_refused' });
    before = () => undefined;
    expect(headingOf(await runIn('full-auto'))).toMatch(/^0 new/);
    expect(await approveIn('m1')).toBe(true);
    expect(replies()).toHaveLength(1);
  });

  test('nothing that is not there', async () => {
    await expect(approveIn('m9')).rejects.toMatchObject({ code: 'usage' });
  });
});

describe('the memory', () => {
  test('a line that was not ended does not count; one that is none stops the worker', async () => {
    ask('m1');
    await runIn('conservative');
    const file = join(stateDir, 'worker-seen.jsonl');
    appendFileSync(file, '{"id":"m2","step":"do');
    ask('m2');
    expect((await runIn('conservative')).decided.map(({ message }) => message.id)).toEqual(['m2']);
    appendFileSync(file, 'garbage\n');
    await expect(runIn('conservative')).rejects.toMatchObject({ code: 'malformed' });
  });

  test('is written anew when most of it is old', async () => {
    writeFileSync(directory.join('worker-seen.jsonl'), '', { mode: 0o600 });
    const seen = new Seen(directory.path);
    const line = { id: 'm1', as: 'answer', from: 'a' } as const;
    const steps = Array.from({ length: 1_100 }, (_, i) =>
      i % 2 === 0 ? ('sending' as const) : ('done' as const),
    );
    await seen.mark(steps.map((step) => ({ ...line, step })));
    seen.close();
    const lines = () => readFileSync(directory.join('worker-seen.jsonl'), 'utf8').trim().split('\n').length;
    expect(lines()).toBe(1_100);
    new Seen(directory.path).close();
    expect(lines()).toBe(1);
    expect(readMemory(directory.path).lineOf('m1')).toMatchObject({ step: 'done' });
  });

  test('belongs to one worker at a time', async () => {
    await asOnlyWorker(worker(), async () => {
      await expect(runIn('conservative')).rejects.toMatchObject({ code: 'file_locked' });
    });
  });

  test('of a state_dir that others may enter is refused', async () => {
    ask('m1');
    await runIn('conservative');
    chmodSync(stateDir, 0o755);
    await expect(runIn('conservative')).rejects.toMatchObject({ code: 'config_permissions' });
  });
});
