/**
 * A worker that kills itself (SIGKILL) at one step, for tests: `worker STATE_DIR HUB_URL STEP`. A step is the moment before or after each call
 * of the hub, the seen store and the trail. Prints how many steps there were where it lives.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/system/clock.ts';
import { type Hub, hubClient } from '../../../src/worker/hub.ts';
import { ruleBrain } from '../../../src/worker/rule-brain.ts';
import { execute } from '../../../src/worker/run.ts';
import type { Sending } from '../../../src/worker/send.ts';
import { asOnlyWorker } from '../../../src/worker/session.ts';
import { findByWord } from '../../support/worker.ts';

const [stateDir = '', url = '', last = '0'] = process.argv.slice(2);
let steps = 0;

function step(): void {
  steps += 1;
  if (steps === Number(last)) process.kill(process.pid, 'SIGKILL');
}

async function around<T>(work: () => T | Promise<T>): Promise<T> {
  step();
  const result = await work();
  step();
  return result;
}

function watched({ hub, seen, trail, ...rest }: Sending): Sending {
  return {
    ...rest,
    hub: {
      ...hub,
      unread: () => around(() => hub.unread()),
      sentTo: (agent) => around(() => hub.sentTo(agent)),
      send: (letter) => around(() => hub.send(letter)),
      markRead: (id) => around(() => hub.markRead(id)),
      noteProgress: (summary) => around(() => hub.noteProgress(summary)),
    } satisfies Hub,
    seen: {
      has: (id) => seen.has(id),
      hasAnswered: (thread) => seen.hasAnswered(thread),
      lineOf: (id) => seen.lineOf(id),
      unfinished: () => seen.unfinished(),
      mark: (lines) => around(() => seen.mark(lines)),
    },
    trail: { append: (record) => around(() => trail.append(record)) },
  };
}

const hub = hubClient(url, 'ops-warden');
const judging = { brain: ruleBrain(findByWord), findLane: findByWord, agent: 'ops-warden' };
await asOnlyWorker({ hub, stateDir, clock: systemClock, caller: { pid: process.pid } }, (sending) =>
  execute(watched(sending), judging, 'full-auto'),
);
await hub.close();
writeSync(1, `${steps}\n`);
