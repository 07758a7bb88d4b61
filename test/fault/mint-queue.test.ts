/**
 * More logins than OpenBao is asked for at once: what becomes of those that wait. The lab's OpenBao, which answers when it is told to, and
 * clients that say their binds themselves.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WINDOW_MS } from '../../agent/mint-budget.ts';
import { parseIdentities } from '../../agent/protocol/messages.ts';
import { fetchStatus, requestReload } from '../../src/control/client.ts';
import { MAX_UNDER_WAY } from '../../src/issuance/mint-queue.ts';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import { AgentClient, type Bind, encodeBind, encodeLoginData, LIST } from '../support/agent-client.ts';
import { newHostKey, syntheticBind } from '../support/binds.ts';
import { publicBlob } from '../support/keys.ts';
import { knownHostsLine } from '../support/known-hosts.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { until } from '../support/process.ts';
import { tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { jumpingClock } from './fault-rig.ts';

const USER = 'ops';
const HOST = newHostKey();
/** The lane's deadline; what is held here is held for less. */
const DEADLINE_MS = 8_000;
/** Less than a login may wait. */
const TTL_S = 20;
const clock = jumpingClock();
const directory = tempDirectory();
let lab: LabOpenBao;
let warden: Warden;
/** Requests for a certificate since the test began. */
let asked: number;
/** Whether OpenBao answers them, or holds them until `answer`. */
let holding: boolean;
let held: (() => void)[];
let clients: AgentClient[];
let recordsBefore: number;

const answer = () => {
  for (const go of held.splice(0)) go();
};
const records = () => warden.trail().slice(recordsBefore);
const countOf = (what: (record: ReturnType<typeof records>[number]) => boolean) =>
  records().filter(what).length;
const intents = () => countOf(({ phase }) => phase === 'intent');

beforeAll(async () => {
  lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole([USER]) },
    async intercept({ path }) {
      if (!path.startsWith('ssh/sign/')) return undefined;
      asked += 1;
      if (holding) await new Promise<void>((resolve) => held.push(resolve));
      return undefined;
    },
  });
  const key = `ssh-ed25519 ${publicBlob(HOST).toString('base64')}`;
  warden = await startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: {
      web: {
        hosts: ['web1'],
        logins: [USER],
        role: JIT_ROLE,
        deadline: `${DEADLINE_MS / 1000}s`,
        ttl: `${TTL_S}s`,
      },
    },
    principals: [USER],
    knownHosts: [directory.write('known_hosts', `${knownHostsLine(['web1'], key)}\n`)],
    agent: { direct_peers: 'any' },
    clock,
  });
});
afterAll(async () => {
  await warden?.remove();
  await lab?.stop();
  directory.remove();
});
beforeEach(async () => {
  clock.jump(WINDOW_MS);
  holding = false;
  held = [];
  clients = [];
  // A connection that was idle for so long would not be waited for.
  await finish(await ask());
  holding = true;
  asked = 0;
  recordsBefore = warden.trail().length;
});
afterEach(() => {
  answer();
  for (const client of clients) client.close();
});

interface Login {
  readonly client: AgentClient;
  readonly bind: Bind;
}

/** A login that has bound and asked for the list. */
async function ask(bind = syntheticBind(HOST)): Promise<Login> {
  const client = await AgentClient.connect(warden.socket);
  clients.push(client);
  client.send(encodeBind(bind));
  client.send(LIST);
  return { client, bind };
}

const askMany = (count: number) => Promise.all(Array.from({ length: count }, () => ask()));

const underWay = (count: number) => until(`OpenBao is asked ${count} times`, () => asked === count);

/** Takes the answers to bind and list. Returns the certificate. */
async function listed({ client }: Login): Promise<Buffer> {
  await client.receive();
  const [identity] = parseIdentities(await client.receive());
  if (identity === undefined) throw new Error('nothing was listed');
  return identity.blob;
}

/** The login to its end: listed, and signed. */
async function finish(login: Login): Promise<void> {
  const key = await listed(login);
  const data = encodeLoginData({ sessionId: login.bind.sessionId, user: USER, key });
  expect(await login.client.sign(key, data)).toBeInstanceOf(Buffer);
}

describe('logins that wait for their turn', () => {
  test('nothing is asked for those whose client has gone meanwhile; one that has closed its half is served', async () => {
    const first = await askMany(MAX_UNDER_WAY);
    await underWay(MAX_UNDER_WAY);
    const gone = await askMany(10);
    const half = await ask();
    half.client.halfClose();
    // Theirs are the last answers that are written to them; the lists wait.
    for (const { client } of gone) await client.receive();
    await fetchStatus([warden.controlSocket]);
    for (const { client } of gone) client.close();
    holding = false;
    answer();
    await Promise.all(first.map(finish));
    await listed(half);
    await until(
      'the others are written down',
      () => countOf(({ error_code }) => error_code === 'mint_busy') === 10,
    );
    expect({ asked, intents: intents() }).toEqual({ asked: MAX_UNDER_WAY + 1, intents: MAX_UNDER_WAY + 1 });
    await finish(await ask());
  });

  test('nor for those of a user whose budget is spent meanwhile', async () => {
    const first = await askMany(MAX_UNDER_WAY);
    await underWay(MAX_UNDER_WAY);
    await askMany(2 * MAX_UNDER_WAY);
    for (const { client } of first) client.close();
    answer();
    const refused = () => countOf(({ error_code }) => error_code === 'rate_limited');
    await until('all had a turn or were refused', () => intents() + refused() === 3 * MAX_UNDER_WAY);
    // A place was given on before the one who had it was seen to be gone.
    expect(intents()).toBeLessThanOrEqual(2 * MAX_UNDER_WAY);
    answer();
    for (const client of clients) client.close();
    await until('all is over', () => countOf(({ event }) => event === 'cert.expired') === intents());
  });

  test('the session of one that waits has no other, however short a certificate is good for', async () => {
    const first = await askMany(MAX_UNDER_WAY);
    await underWay(MAX_UNDER_WAY);
    const waiting = await ask();
    await until(
      'it waits',
      async () => (await fetchStatus([warden.controlSocket])).connections > MAX_UNDER_WAY,
    );
    clock.jump((TTL_S + 1) * 1000);
    await ask(waiting.bind);
    await until(
      'the other is refused',
      () => countOf(({ error_code }) => error_code === 'replayed_binding') === 1,
    );
    holding = false;
    answer();
    await Promise.all([...first, waiting].map(finish));
  });

  test('a reload takes their way to OpenBao from none of them', async () => {
    const first = await askMany(MAX_UNDER_WAY);
    await underWay(MAX_UNDER_WAY);
    const last = await ask();
    expect((await requestReload([warden.controlSocket])).problems).toEqual([]);
    await sleep(DEADLINE_MS / 2);
    answer();
    await underWay(MAX_UNDER_WAY + 1);
    // The deadline of a login that began with the reload is over; the last one's is not.
    await sleep(DEADLINE_MS * 0.7);
    answer();
    await Promise.all([...first, last].map(finish));
    expect({ asked, intents: intents() }).toEqual({ asked: MAX_UNDER_WAY + 1, intents: MAX_UNDER_WAY + 1 });
  }, 40_000);
});
