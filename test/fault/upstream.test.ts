/** The agent behind warden fails: certificates are made all the same, and a list without one is answered within its deadline. */
import { symlinkSync, unlinkSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import { AgentClient } from '../support/agent-client.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { listIdentities, startSshAgent } from '../support/ssh-agent.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, jumpingClock, startFar } from './fault-rig.ts';

const missing = sshdMissing();
let lab: LabOpenBao;
let far: Far;
beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({ roles: { [JIT_ROLE]: jitRole(['*']) } });
  far = await startFar([lab.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await far?.remove();
  await lab?.stop();
});

/** A daemon before `upstream` with a lane of each kind: 127.0.0.1 hides the upstream's keys, localhost lists them after. */
function startBefore(upstream: string): Promise<Warden> {
  const { port, user } = far.sshd;
  const common = { logins: [user], role: JIT_ROLE };
  return startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: {
      hide: { ...common, hosts: [`[127.0.0.1]:${port}`] },
      after: { ...common, hosts: [`[localhost]:${port}`], upstream: 'after' },
    },
    principals: [user],
    knownHosts: [far.knownHosts],
    upstream,
    clock: jumpingClock(),
  });
}

async function expectLogins(warden: Warden): Promise<void> {
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(await far.login(warden.socket, { host: 'localhost' })).toBe('certificate');
}

describe('an upstream agent', () => {
  test('that is not there', async () => {
    const warden = await startBefore(far.directory.join('nobody.sock'));
    try {
      await expectLogins(warden);
      expect(await listIdentities(warden.socket)).toEqual([]);
    } finally {
      await warden.remove();
    }
  });

  test('that is frozen, thawed, dead and started again', async () => {
    const upstream = await startSshAgent();
    const warden = await startBefore(upstream.socket);
    try {
      upstream.freeze();
      await expectLogins(warden);
      // ssh-add gives up at its own deadline (20 s) if warden does not.
      expect(await listIdentities(warden.socket)).toEqual([]);
      upstream.thaw();
      await upstream.add(far.directory.join('upstream'));
      expect(await listIdentities(warden.socket)).toHaveLength(1);
    } finally {
      await upstream.stop();
    }
    try {
      await expectLogins(warden);
      expect(await listIdentities(warden.socket)).toEqual([]);
    } finally {
      await warden.remove();
    }
  });

  test('that ends under an open connection and comes back: the connection goes on with the new one', async () => {
    const link = far.directory.join('moving.sock');
    const first = await startSshAgent();
    symlinkSync(first.socket, link);
    const warden = await startBefore(link);
    const client = await AgentClient.connect(warden.socket);
    try {
      expect(await client.identities()).toEqual([]);
      await first.stop();
      expect(await client.identities()).toEqual([]);
      const second = await startSshAgent();
      try {
        unlinkSync(link);
        symlinkSync(second.socket, link);
        await second.add(far.directory.join('upstream'));
        expect(await client.identities()).toHaveLength(1);
      } finally {
        await second.stop();
      }
    } finally {
      client.close();
      await warden.remove();
    }
  });

  test('is all there is when OpenBao is dead, and both dead is an answer too', async () => {
    const upstream = await startSshAgent();
    await upstream.add(far.directory.join('upstream'));
    const warden = await startBefore(upstream.socket);
    try {
      expect(await far.login(warden.socket)).toBe('certificate');
      await lab.stop();
      expect(await far.login(warden.socket)).toBe('key');
      upstream.freeze();
      expect(await far.login(warden.socket)).toBe('none');
    } finally {
      await upstream.stop();
      await warden.remove();
    }
  });
});
