/**
 * A worker that is killed at every step it takes: whatever the step, no message is answered twice, none is forgotten, and the trail has an
 * intent for each reply that the hub got.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LabHub, startLabHub } from '../../../src/lab/hub.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { readDrafts } from '../../../src/worker/drafts.ts';
import { hubClient } from '../../../src/worker/hub.ts';
import { ruleBrain } from '../../../src/worker/rule-brain.ts';
import { execute } from '../../../src/worker/run.ts';
import { readMemory } from '../../../src/worker/seen.ts';
import { asOnlyWorker } from '../../../src/worker/session.ts';
import { run } from '../../support/process.ts';
import { tempDirectory } from '../../support/temp.ts';
import { findByWord } from '../../support/worker.ts';

const directory = tempDirectory('worker-');
const program = directory.join('worker.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, 'worker-process.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    // koffi has native parts: loaded from where this tree has it.
    define: { 'import.meta.filename': JSON.stringify(join(import.meta.dirname, 'x.ts')) },
    logLevel: 'error',
  });
});
afterAll(() => directory.remove());

const AT_ONCE = 3;
const IDS = ['m1', 'm2', 'm3'];

function fill(hub: LabHub): void {
  hub.put({ id: 'm1', from_agent: 'agt-a', subject: 'npm', body: 'How do I get the npm token?' });
  hub.put({ id: 'm2', from_agent: 'agt-b', subject: 'ssh', body: 'How do I get ssh?' });
  hub.put({ id: 'm3', from_agent: 'agt-c', subject: 'x', body: 'Rotate everything.' });
}

async function work(stateDir: string, hub: LabHub, step: number) {
  return run(process.execPath, [program, stateDir, hub.url, String(step)], { env: { HOME: directory.path } });
}

/** The next worker, which lives. */
async function again(stateDir: string, lab: LabHub): Promise<void> {
  const hub = hubClient(lab.url, 'ops-warden');
  const judging = { brain: ruleBrain(findByWord), findLane: findByWord, agent: 'ops-warden' };
  await asOnlyWorker({ hub, stateDir, clock: systemClock, caller: undefined }, (sending) =>
    execute(sending, judging, 'full-auto'),
  );
  await hub.close();
}

/** Replies to each message that the hub has. */
function replies(hub: LabHub): readonly number[] {
  return IDS.map(
    (id) => hub.messages.filter(({ body }) => body.endsWith(`in answer to message ${id}`)).length,
  );
}

test('no step at which it is killed makes it answer twice, or never', async () => {
  const whole = await startLabHub();
  fill(whole);
  const { stdout, code, stderr } = await work(directory.join('whole'), whole, 0);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(replies(whole)).toEqual([1, 1, 0]);
  expect(whole.notes).toEqual(['3 new: 2 answered, 0 drafted, 1 for a person']);
  await whole.stop();
  const steps = Number(stdout);
  expect(steps).toBeGreaterThan(30);

  const outcomes = new Set<string>();
  const killAt = async (step: number) => {
    const stateDir = directory.join(`state-${step}`);
    const hub = await startLabHub();
    fill(hub);
    const killed = await work(stateDir, hub, step);
    expect(killed.signal, `step ${step}: ${killed.stderr}`).toBe('SIGKILL');
    await again(stateDir, hub);

    const sent = replies(hub);
    for (const [index, id] of IDS.slice(0, 2).entries()) {
      // Answered once; or it may have been sent, and a person decides.
      const left = readDrafts(stateDir).get(id)?.maybe_sent === true;
      const way = sent[index] === 1 && !left ? 'answered' : sent[index] === 0 && left ? 'left' : 'wrong';
      expect({ step, id, way }).not.toMatchObject({ way: 'wrong' });
      outcomes.add(way);
      const readAt = hub.messages.find((message) => message.id === id)?.read_at;
      const { step: end } = readMemory(stateDir).lineOf(id) ?? {};
      expect({ step, id, end, read: readAt !== null }).toEqual({
        step,
        id,
        end: 'done',
        read: way === 'answered',
      });
    }
    expect(sent[2]).toBe(0);
    expect(readMemory(stateDir).lineOf('m3')).toMatchObject({ step: 'done', as: 'escalate' });
    expect(readFileSync(join(stateDir, 'worker-digest.md'), 'utf8')).toContain('m3 from agt-c');
    expect(new Set(hub.notes).size).toBe(hub.notes.length);

    const trail = readFileSync(join(stateDir, 'audit', 'trail.jsonl'), 'utf8');
    const intents = trail
      .split('\n')
      .filter((line) => line.includes('"worker.reply"') && line.includes('"intent"'));
    expect(intents.length).toBeGreaterThanOrEqual((sent[0] ?? 0) + (sent[1] ?? 0));
    expect((await verifyTrail(join(stateDir, 'audit'), { key: undefined })).intact).toBe(true);
    await hub.stop();
  };
  for (let step = 1; step <= steps; step += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, steps - step + 1) }, (_, i) => killAt(step + i)),
    );
  // Both ways were met.
  expect([...outcomes].sort()).toEqual(['answered', 'left']);
}, 240_000);
