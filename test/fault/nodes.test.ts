/** Several addresses of one OpenBao: a node that is sealed, stale, frozen, without a leader or gone costs no login, and the trail says who signed. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, jumpingClock, newestRefusal, startFar } from './fault-rig.ts';

type Serve = (incoming: IncomingMessage, response: ServerResponse) => void;

const missing = sshdMissing();
let lab: LabOpenBao;
let far: Far;
let warden: Warden | undefined;
const closing: (() => void)[] = [];

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({ roles: { [JIT_ROLE]: jitRole(['*']) } });
  far = await startFar([lab.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterEach(async () => {
  await warden?.remove();
  for (const close of closing.splice(0)) close();
});
afterAll(async () => {
  await far?.remove();
  await lab?.stop();
});

/** A node in front of the lab's storage, so to speak: it answers by itself, or as the lab does. */
async function node(serve: Serve): Promise<string> {
  const server = createServer(serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `http://127.0.0.1:${address.port}`;
}

const healthy: Serve = (incoming, response) => {
  const onward = request(
    `${lab.url}${incoming.url}`,
    { method: incoming.method, headers: incoming.headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  incoming.pipe(onward);
};

/** Serves everything but signatures, until then the node that is asked first. */
function failing(sign: Serve): Serve {
  return (incoming, response) =>
    incoming.url?.includes('/sign/') === true ? sign(incoming, response) : healthy(incoming, response);
}

async function startOn(...addresses: readonly string[]): Promise<Warden> {
  const { port, user } = far.sshd;
  warden = await startWarden({
    openbao: { addr: addresses[0] ?? '', token: lab.tokens.create(JIT_ROLE), settings: { addr: addresses } },
    lanes: { web: { hosts: [`[127.0.0.1]:${port}`], logins: [user], role: JIT_ROLE } },
    principals: [user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    clock: jumpingClock(),
  });
  return warden;
}

function answering(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Serve {
  return (incoming, response) => {
    incoming.resume();
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };
}

const FAULTS: readonly (readonly [string, Serve, string])[] = [
  ['is sealed', answering(503, '{"errors":["Vault is sealed"]}'), 'bao_sealed'],
  [
    'has no leader',
    answering(500, '{"errors":["local node not active but active cluster node not found"]}'),
    'bao_unavailable',
  ],
  [
    'is a standby that points elsewhere',
    answering(307, '', { location: 'http://127.0.0.1:9/v1/x' }),
    'bao_unavailable',
  ],
  ['is stale', answering(412, '{"errors":["required index state not present"]}'), 'bao_unavailable'],
  [
    'is at its rate limit',
    answering(429, '{"errors":["request path \\"x\\": rate limit quota exceeded"]}', { 'retry-after': '3' }),
    'bao_rate_limited',
  ],
  ['breaks off', (incoming) => void incoming.socket.destroy(), 'bao_disconnected'],
  ['never answers', (incoming) => void incoming.resume(), 'bao_timeout'],
];

describe('a node that', () => {
  test.each(FAULTS)(
    '%s: the login is made by another, with a record of its own',
    async (_name, fault, code) => {
      const good = await node(healthy);
      const daemon = await startOn(await node(failing(fault)), good);
      expect(await far.login(daemon.socket)).toBe('certificate');
      const mints = daemon.trail().filter(({ phase }) => phase !== 'single');
      expect(mints.map(({ phase }) => phase)).toEqual(['intent', 'result', 'intent', 'result']);
      const [, refused, , granted] = mints;
      expect(refused).toMatchObject({ outcome: 'error', error_code: code });
      expect(granted).toMatchObject({ outcome: 'ok', bao: { address: good } });
      expect(granted?.corr).not.toBe(refused?.corr);
      // The next login begins with the one that served.
      expect(await far.login(daemon.socket)).toBe('certificate');
      expect(daemon.trail().filter(({ phase }) => phase !== 'single')).toHaveLength(6);
    },
  );

  test('refuses by policy is believed: no other is asked', async () => {
    const daemon = await startOn(
      await node(failing(answering(400, '{"errors":["Unknown role: x"]}'))),
      await node(healthy),
    );
    expect(await far.login(daemon.socket)).toBe('key');
    expect(await newestRefusal(daemon)).toMatchObject({ code: 'bao_bad_request' });
  });
});

test('where every node is unable, each was asked once, and why says the last reason', async () => {
  const sealed = answering(503, '{"errors":["Vault is sealed"]}');
  const nodes = await Promise.all([1, 2, 3].map(() => node(failing(sealed))));
  const daemon = await startOn(...nodes);
  expect(await far.login(daemon.socket)).toBe('key');
  expect(await newestRefusal(daemon)).toMatchObject({ code: 'bao_sealed' });
  expect(daemon.trail().filter(({ event }) => event === 'cert.intent')).toHaveLength(3);
});
