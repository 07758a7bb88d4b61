/** What is done with messages of which a real agent can't show every answer: `query`, locks that fail, an agent behind that hangs up. */
import { afterEach, expect, test } from 'vitest';
import { Dispatcher } from '../../../agent/dispatch.ts';
import type { MintedIdentity } from '../../../agent/keystore/minted-identity.ts';
import {
  encodeIdentities,
  encodeQueryAnswer,
  FAILURE,
  MESSAGE,
  SESSION_BIND,
  SUCCESS,
} from '../../../agent/protocol/messages.ts';
import { Refusals } from '../../../agent/refusals.ts';
import { createServices } from '../../../agent/services.ts';
import { Writer } from '../../../src/ssh/wire.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { LIST } from '../../support/agent-client.ts';
import { type Behaviour, hangUp, startFakeUpstream } from './fake-upstream.ts';
import { unboundIdentity } from './identities.ts';

const opened: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Two connections of one daemon before an agent that does as it is told. */
async function daemon(behaviour: Behaviour) {
  const fake = await startFakeUpstream(behaviour);
  const services = createServices({
    clock: systemClock,
    log: silent,
    upstreamPath: fake.socket,
    refusals: new Refusals(systemClock),
    teller: { canTell: () => false, tell: async () => false },
    login: undefined,
  });
  const connect = () => new Dispatcher(services, undefined, { path: '/agent.sock' }, () => false);
  const [one, other] = [connect(), connect()];
  opened.push(
    () => fake.stop(),
    () => one.close(),
    () => other.close(),
  );
  return { fake, services, one, other };
}

const passphrase = (type: number) => new Writer().u8(type).string('secret').done();
const QUERY = new Writer().u8(MESSAGE.extension).string('query').done();

test("query: the names of the agent behind, and session-bind, which is warden's own", async () => {
  const { one } = await daemon(() => encodeQueryAnswer(['query', 'foo@example.com']));
  expect(await one.answer(QUERY)).toEqual(encodeQueryAnswer(['query', 'foo@example.com', SESSION_BIND]));
});

test('query: an agent behind that knows it not has said so', async () => {
  const { one } = await daemon(() => FAILURE);
  expect(await one.answer(QUERY)).toEqual(FAILURE);
});

test('an extension that the agent behind hangs up on is a FAILURE, and the next request is served', async () => {
  const { one } = await daemon((message) => (message[0] === MESSAGE.extension ? hangUp : SUCCESS));
  expect(await one.answer(QUERY)).toEqual(FAILURE);
  expect(await one.answer(Buffer.from([MESSAGE.lock + 100]))).toEqual(SUCCESS);
});

test('a lock holds when the agent behind took it, on all connections, until an unlock that it took', async () => {
  const { fake, services, one, other } = await daemon(() => FAILURE);
  expect(await one.answer(passphrase(MESSAGE.lock))).toEqual(FAILURE);
  expect(services.upstream.locked).toBe(false);
  fake.behaviour = () => SUCCESS;
  expect(await one.answer(passphrase(MESSAGE.lock))).toEqual(SUCCESS);
  expect(services.upstream.locked).toBe(true);
  // Neither a failure nor the end of the agent behind unlocks.
  for (const reaction of [FAILURE, hangUp, encodeIdentities([])]) {
    fake.behaviour = () => reaction;
    await other.answer(passphrase(MESSAGE.unlock));
    await other.answer(LIST);
    expect(services.upstream.locked).toBe(true);
  }
  fake.behaviour = () => SUCCESS;
  expect(await other.answer(passphrase(MESSAGE.unlock))).toEqual(SUCCESS);
  expect(services.upstream.locked).toBe(false);
});

test('the passphrase reaches the agent behind as it is', async () => {
  const { fake, one } = await daemon(() => SUCCESS);
  await one.answer(passphrase(MESSAGE.lock));
  expect(fake.received).toEqual([[passphrase(MESSAGE.lock)]]);
});

test('a connection that lists again after its login gives up what it had, not only the last at its end', async () => {
  const { services } = await daemon(() => FAILURE);
  const made: MintedIdentity[] = [];
  const ended: MintedIdentity[] = [];
  const connection = new Dispatcher(
    {
      ...services,
      logins: {
        async mint() {
          const identity = unboundIdentity('/to/web1.sock 100:1');
          made.push(identity);
          return identity;
        },
      },
      identityEnded: (identity) => void ended.push(identity),
    },
    undefined,
    { path: '/to/web1.sock', host: 'web1' },
    () => false,
  );
  for (let login = 0; login < 3; login += 1) {
    await connection.answer(LIST);
    made.at(-1)?.key.signOnce(Buffer.from('login'));
  }
  expect(ended).toEqual(made.slice(0, 2));
  connection.close();
  expect(ended).toEqual(made);
});
