import { afterEach, describe, expect, test } from 'vitest';
import { probeAgent, whoListens } from '../../../src/doctor/agent-probe.ts';
import { tempDirectory } from '../../support/temp.ts';
import { type FakeUpstream, hang, hangUp, type Reaction, startFakeUpstream } from '../agent/fake-upstream.ts';

let fake: FakeUpstream | undefined;
afterEach(() => fake?.stop());

async function probe(onBind: Reaction, onList: Reaction) {
  fake = await startFakeUpstream((message) => (message[0] === 27 ? onBind : onList));
  return probeAgent(fake.socket, undefined);
}

const raw =
  (...bytes: number[]): Reaction =>
  (client) =>
    client.write(Buffer.from(bytes));
const empty = Buffer.from([12, 0, 0, 0, 0]);

describe('an agent is asked once, and believed in nothing', () => {
  test.each([
    [
      'takes binds',
      Buffer.from([6]),
      Buffer.from([12, 0, 0, 0, 3]),
      { state: 'answers', bind: 'takes', identities: 3 },
    ],
    ['refuses them', Buffer.from([5]), empty, { state: 'answers', bind: 'refuses', identities: 0 }],
    ['hangs up on them', hangUp, empty, { state: 'answers', bind: 'closes' }],
    ['hangs up on everything', hangUp, hangUp, { state: 'closes' }],
    ['answers a list cut short', Buffer.from([6]), Buffer.from([12]), { state: 'answers', identities: 0 }],
    [
      'answers a list with a FAILURE',
      Buffer.from([6]),
      Buffer.from([5]),
      { state: 'answers', identities: 0 },
    ],
    ['announces four gigabytes', raw(255, 255, 255, 255), empty, { bind: 'closes' }],
    ['sends a frame of nothing, and no more', raw(0, 0, 0, 0), empty, { state: 'silent' }],
    ['never answers', hang, hang, { state: 'silent' }],
    ['never answers a list', Buffer.from([6]), hang, { state: 'silent' }],
  ] as const)('one that %s', async (_what, onBind, onList, expected) => {
    expect(await probe(onBind, onList)).toMatchObject(expected);
  });

  test('its process is named, and one that is our own is not asked', async () => {
    fake = await startFakeUpstream(() => empty);
    expect(await whoListens(fake.socket)).toMatchObject({
      state: 'answers',
      pid: process.pid,
      program: 'node',
    });
    expect(await probeAgent(fake.socket, process.pid)).toMatchObject({ state: 'ourselves' });
    expect(fake.received.flat()).toEqual([]);
  });

  test('a path without a listener', async () => {
    const directory = tempDirectory();
    expect((await whoListens(directory.join('nothing'))).state).toBe('absent');
    expect((await whoListens(directory.write('file', ''))).state).toBe('stale');
    expect((await whoListens(directory.join('file', 'x'))).state).toBe('unreachable');
    directory.remove();
  });
});
