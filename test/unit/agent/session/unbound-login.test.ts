/** Clients without a bind whose program can't be looked at; nothing is hidden from root, who may run these tests, so that is made up. */
import { expect, test, vi } from 'vitest';
import { newAttempt } from '../../../../agent/session/attempt.ts';
import { findUnbound } from '../../../../agent/session/unbound-login.ts';
import { KnownHostsStore } from '../../../../src/destination/known-hosts-store.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { LANE } from '../identities.ts';

const hidden = vi.hoisted(() => ({ program: false }));
vi.mock('../../../../src/system/peer.ts', async (importOriginal) => {
  const actual = await importOriginal<typeof import('../../../../src/system/peer.ts')>();
  const processInfo: typeof actual.processInfo = (pid) => {
    const info = actual.processInfo(pid);
    return info === undefined || !hidden.program ? info : { ...info, program: undefined };
  };
  return { ...actual, processInfo };
});

const dependencies = {
  clock: systemClock,
  lanes: [LANE],
  agent: { sshPrograms: ['/usr/bin/ssh'], directPeers: 'ssh' },
  knownHosts: new KnownHostsStore([]),
} as const;
const peer = { uid: process.getuid?.() ?? 0, gid: 0, pid: process.pid };
const find = () => findUnbound(dependencies, { path: '/lane/web.sock', lane: 'web' }, peer, newAttempt());

test('a program that may not be looked at could be an ssh that forwards the socket', async () => {
  expect(await find()).toMatchObject({ lane: LANE, holder: expect.stringContaining(`${process.pid}:`) });
  hidden.program = true;
  await expect(find()).rejects.toMatchObject({ code: 'not_direct' });
});
