/** The State Hub's client against the stand-in: what it asks, what it refuses, and what is known after a failure. */
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LabHub, type LabHubOptions, startLabHub } from '../../../src/lab/hub.ts';
import { type Hub, hubClient } from '../../../src/worker/hub.ts';
import { MAX_LISTED, readInbox } from '../../../src/worker/message.ts';

let lab: LabHub;
let hub: Hub;
let faults: { before?: LabHubOptions['before']; after?: LabHubOptions['after'] };

beforeEach(async () => {
  faults = {};
  lab = await startLabHub({
    before: async (request) => faults.before?.(request),
    after: async (request) => faults.after?.(request),
  });
  hub = hubClient(lab.url, 'ops-warden');
});
afterEach(async () => {
  await hub.close();
  await lab.stop();
});

const question = { from_agent: 'agt-a', subject: 'npm', body: 'How do I get the npm token?' };
const letter = { to: 'agt-a', subject: 's', body: 'b', thread: undefined, key: 'k' };

test('reads unread messages to this agent, and broadcasts', async () => {
  lab.put({ ...question, id: 'm1', thread_id: 't1' });
  lab.put({ ...question, id: 'm2', to_agent: 'somebody-else' });
  lab.put({ ...question, id: 'm3', to_agent: 'broadcast' });
  const { messages, unreadable, waiting } = await hub.unread();
  expect(messages.map(({ id }) => id)).toEqual(['m1', 'm3']);
  expect(messages[0]).toEqual({
    id: 'm1',
    from: 'agt-a',
    to: 'ops-warden',
    subject: 'npm',
    body: question.body,
    thread: 't1',
  });
  expect([unreadable, waiting]).toEqual([0, 0]);
  await hub.markRead('m1');
  expect((await hub.unread()).messages.map(({ id }) => id)).toEqual(['m3']);
});

test('replies in the thread, and finds what it has sent', async () => {
  lab.put({ ...question, id: 'm1', thread_id: 't1' });
  await hub.send({ to: 'agt-a', subject: 'x'.repeat(600), body: 'run it', thread: 't1', key: 'k' });
  expect(lab.messages[1]).toMatchObject({
    from_agent: 'ops-warden',
    to_agent: 'agt-a',
    body: 'run it',
    thread_id: 't1',
  });
  expect(lab.messages[1]?.subject).toHaveLength(500);
  expect(await hub.sentTo('agt-a')).toEqual(['run it']);
  await hub.noteProgress('1 answered');
  expect(lab.notes).toEqual(['1 answered']);
});

test('an unknown thread is refused, and so is an unknown message', async () => {
  await expect(hub.send({ ...letter, thread: 'gone' })).rejects.toMatchObject({ code: 'hub_refused' });
  await expect(hub.markRead('gone')).rejects.toMatchObject({ code: 'hub_refused' });
});

test('what looks like a secret is not sent', async () => {
  const body = `hvs.${'Ab1'.repeat(12)}`;
  await expect(hub.send({ ...letter, body })).rejects.toMatchObject({ code: 'malformed' });
  expect(lab.messages).toEqual([]);
});

describe('after a failure it is known whether the hub may have acted', () => {
  test('nobody listens: nothing was sent', async () => {
    await lab.stop();
    const away = hubClient(lab.url, 'ops-warden');
    await expect(away.send(letter)).rejects.toMatchObject({ code: 'hub_unreachable' });
    expect(await away.healthy()).toBe(false);
    await away.close();
    lab = await startLabHub();
  });

  test('a connection that breaks, and an answer of 500: it may have', async () => {
    faults.after = async () => 'break';
    await expect(hub.send(letter)).rejects.toMatchObject({ code: 'hub_failed' });
    expect(lab.messages).toHaveLength(1);
    faults = { before: async () => 500 };
    await expect(hub.send(letter)).rejects.toMatchObject({ code: 'hub_failed' });
    expect(await hub.healthy()).toBe(false);
  });

  test.each([
    ['no JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>', /no JSON/],
    ['no list', 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}', /none of its answers/],
    ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n', /answers 302/],
    [
      'more than the limit',
      `HTTP/1.1 200 OK\r\nContent-Length: 17000000\r\n\r\n${'x'.repeat(17_000_000)}`,
      /more than/,
    ],
  ])('an answer that is %s', async (_, bytes, message) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const other = hubClient(`http://127.0.0.1:${port}`, 'ops-warden');
    await expect(other.unread()).rejects.toMatchObject({
      code: 'hub_failed',
      message: expect.stringMatching(message),
    });
    await other.close();
    server.close();
  });
});

describe('a list of messages', () => {
  const good = { id: 'm', from_agent: 'a', subject: 's', body: 'b' };

  test('leaves out what can not be read and counts it', () => {
    const bad = [
      null,
      'text',
      { ...good, id: '../../etc/passwd' },
      { ...good, id: 'a b' },
      { ...good, id: '' },
      { ...good, from_agent: 'x\r\ny' },
      { ...good, from_agent: undefined },
      { ...good, body: 'x'.repeat(300_000) },
      { ...good, body: 7 },
    ];
    expect(readInbox([...bad, good], 'me')).toEqual({
      messages: [{ id: 'm', from: 'a', to: 'me', subject: 's', body: 'b', thread: undefined }],
      unreadable: bad.length,
      waiting: 0,
    });
  });

  test('may be wrapped, have numbers as ids, nulls, doubles, and further fields', () => {
    const messages = [
      { id: 7, from_agent: 'a', subject: null, body: null, thread_id: null, new_field: 1 },
      { id: '7', from_agent: 'a', body: 'again' },
    ];
    expect(readInbox({ messages }, 'me').messages).toEqual([
      { id: '7', from: 'a', to: 'me', subject: '', body: 'again', thread: undefined },
    ]);
  });

  test('ends somewhere', () => {
    const many = Array.from({ length: MAX_LISTED + 5 }, (_, i) => ({ ...good, id: `m${i}` }));
    const { messages, waiting } = readInbox(many, 'me');
    expect([messages.length, waiting]).toEqual([MAX_LISTED, 5]);
  });
});
