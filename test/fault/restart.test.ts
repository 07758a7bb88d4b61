/** A daemon that is killed under a hundred logins and is back a moment later: whoever tries again gets in, and nothing is lost. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { expectNothingLost } from '../e2e/crash.ts';
import { until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';

const CLIENTS = 100;
const TRIES = 10;
const rig = useRig();

/** Logs in, and again where that failed, as ansible's `retries` or autossh do. Returns how often it took. */
async function persistent(): Promise<number> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const { code, timedOut } = await rig().login({ connectTimeout: 30, deadline: 60_000 });
    expect(timedOut).toBe(false);
    if (code === 0) return tries;
    await sleep(1000 * tries);
  }
  return Number.POSITIVE_INFINITY;
}

test('100 clients, a kill -9, and the daemon back: all of them log in', { timeout: 120_000 }, async () => {
  const { warden, sshd } = rig();
  const clients = Promise.all(Array.from({ length: CLIENTS }, persistent));
  // In the thick of it: some are in, some wait, most are still to come.
  await until('the first are in', () => sshd.logins().length >= 5, 30_000);
  await warden.kill();
  await sleep(300);
  await warden.start();
  const tries = await clients;
  expect(tries.filter((count) => !Number.isFinite(count))).toEqual([]);
  // Else the kill met nobody.
  expect(tries.filter((count) => count > 1).length).toBeGreaterThan(0);
  await sshd.waitForLogins(CLIENTS);
  expect(sshd.logins().every(({ keyType }) => keyType === 'ED25519-CERT')).toBe(true);
  await expectNothingLost(rig());
});
