/** A crash loses no issuance: 30 kills during a storm of logins. `crash.long.test.ts` has 300. */
import { expect, test } from 'vitest';
import { listSegments } from '../../src/trail/segments.ts';
import { useRig } from '../support/rig.ts';
import { auditDirectory, expectNothingLost, storm, tearLastLine } from './crash.ts';

// The daemon closes and compresses files of its trail meanwhile.
const rig = useRig({ warden: () => ({ audit: { segment_size: '8KiB' } }) });

test('after 30 kills no login in the log of sshd lacks its intent and its result', {
  timeout: 240_000,
}, async () => {
  await storm(rig(), 30);
  expect(listSegments(auditDirectory(rig())).length).toBeGreaterThan(3);
});

test('a torn last line is set aside, and the daemon goes on', async () => {
  await tearLastLine(rig());
});

test('the check can fail: a login whose records are missing is found', async () => {
  const real = rig();
  const { warden } = real;
  const without = warden.trail().filter(({ phase }) => phase !== 'result');
  const forgetful = { ...real, warden: { ...warden, trail: () => without } };
  await expect(expectNothingLost(forgetful)).rejects.toThrow('serial');
});
