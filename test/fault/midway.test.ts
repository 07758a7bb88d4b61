/** Somebody goes in the midst of it: OpenBao while it is asked, the client while OpenBao is asked, the agent behind in its answer. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeFrame } from '../../agent/protocol/frames.ts';
import { encodeIdentities } from '../../agent/protocol/messages.ts';
import { fetchStatus } from '../../src/control/client.ts';
import { type LabOpenBao, type LabOpenBaoOptions, startLabOpenBao } from '../../src/lab/openbao.ts';
import { verifyTrail } from '../../src/trail/verify.ts';
import { AgentClient, LIST } from '../support/agent-client.ts';
import { syntheticBind } from '../support/binds.ts';
import { readPrivateKey } from '../support/keys.ts';
import {
  JIT_ROLE,
  jitRole,
  NO_OPENBAO,
  type OpenBao,
  openbaoMissing,
  startOpenBao,
} from '../support/openbao.ts';
import { until } from '../support/process.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { hang, hangUp, type Reaction, startFakeUpstream } from '../unit/agent/fake-upstream.ts';
import { type Far, startFar } from './fault-rig.ts';

const missing = sshdMissing();
let honest: NonNullable<LabOpenBaoOptions['intercept']> = async () => undefined;
let lab: LabOpenBao;
let far: Far;
let warden: Warden | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole(['*']) },
    intercept: (request) => honest(request),
  });
  far = await startFar([lab.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
  honest = async () => undefined;
});
afterAll(async () => {
  await far?.remove();
  await lab?.stop();
});

async function startBetween(
  upstream: string,
  openbao = { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
  role = JIT_ROLE,
): Promise<Warden> {
  warden = await startWarden({
    openbao,
    lanes: { web: { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [far.sshd.user], role } },
    principals: [far.sshd.user],
    knownHosts: [far.knownHosts],
    upstream,
    agent: { direct_peers: 'any' },
  });
  return warden;
}

const phases = (of: Warden) =>
  of.trail().flatMap(({ phase, outcome }) => (phase !== 'single' ? [`${phase} ${outcome ?? ''}`] : []));

describe('OpenBao', () => {
  test('answers after the client has gone: the result is written down, the key dropped, nothing is an orphan', async () => {
    const daemon = await startBetween(far.upstream.socket);
    try {
      let answer = () => {};
      const gate = new Promise<void>((resolve) => {
        answer = resolve;
      });
      let asked = false;
      honest = async ({ path }) => {
        if (!path.startsWith('ssh/sign/')) return undefined;
        asked = true;
        await gate;
        return undefined;
      };
      const client = await AgentClient.connect(daemon.socket);
      expect(await client.bind(syntheticBind(readPrivateKey(far.sshd.hostKeys[0]?.path ?? '')))).toBe(true);
      client.send(LIST);
      await until('OpenBao is asked', () => asked);
      client.close();
      // The daemon can't tell it from a client that has closed its half; the socket itself can, once it is gone.
      await sleep(50);
      answer();
      await until('it is written down', () => daemon.trail().at(-1)?.event === 'cert.expired');
      expect(daemon.trail().at(-1)?.message).toBe('its connection ended before it was used');
      expect(phases(daemon)).toEqual(['intent ', 'result ok']);
      expect(await fetchStatus([daemon.controlSocket])).toMatchObject({ live_certificates: 0, minted: 1 });
      expect(await verifyTrail(join(daemon.stateDir, 'audit'))).toMatchObject({
        intact: true,
        orphanCount: 0,
      });
      honest = async () => undefined;
      expect(await far.login(daemon.socket)).toBe('certificate');
    } finally {
      await daemon.remove();
    }
  });

  test('is killed while it is asked: the login goes on with the key behind, each intent has its result', async (ctx) => {
    if (openbaoMissing()) ctx.skip(NO_OPENBAO);
    const bao: OpenBao = await startOpenBao();
    const daemon = await startBetween(far.upstream.socket, { addr: bao.addr, token: bao.token }, bao.role);
    try {
      // Known before it dies: the CA and the connection.
      await expect
        .poll(async () => (await fetchStatus([daemon.controlSocket])).openbao?.identity)
        .toBeTruthy();
      bao.freeze();
      const login = far.login(daemon.socket);
      await until('it is asked', () => phases(daemon).length === 1);
      bao.kill();
      expect(await login).toBe('key');
      // What broke off is worth one more issuance, which finds nobody; what could not be reached is not.
      expect(phases(daemon).join()).toMatch(/^intent ,result error(,intent ,result error)?$/);
      expect(await verifyTrail(join(daemon.stateDir, 'audit'))).toMatchObject({
        intact: true,
        orphanCount: 0,
      });
    } finally {
      await daemon.remove();
      await bao.stop();
    }
  });
});

describe('the agent behind', () => {
  const half: Reaction = (client) => client.end(encodeFrame(encodeIdentities([])).subarray(0, 6));
  const noFrame: Reaction = (client) => client.write(Buffer.alloc(64, 0xff));
  test.each<[string, Reaction]>([
    ['hangs up in the midst of a request', hangUp],
    ['ends after half an answer', half],
    ['sends what is no frame', noFrame],
    ['never answers', hang],
  ])(
    '%s: an empty list, logins by certificate, and the next answer is the right one',
    async (_what, reaction) => {
      const fake = await startFakeUpstream(() => reaction);
      const daemon = await startBetween(fake.socket);
      const client = await AgentClient.connect(daemon.socket);
      try {
        expect(await client.identities()).toEqual([]);
        expect(await far.login(daemon.socket)).toBe('certificate');
        fake.behaviour = () =>
          encodeIdentities([{ blob: Buffer.from('\0\0\0\x05other'), comment: 'here again' }]);
        expect((await client.identities()).map(({ comment }) => comment)).toEqual(['here again']);
        expect(await listIdentities(daemon.socket)).toEqual([]);
        expect(daemon.log()).toContain('upstream_unavailable');
      } finally {
        client.close();
        await daemon.remove();
        await fake.stop();
      }
    },
  );
});
