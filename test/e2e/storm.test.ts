/** Fifty logins at once: each has a certificate of its own, and the trail is whole. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyTrail } from '../../src/trail/verify.ts';
import { useRig } from '../support/rig.ts';
import { watch } from '../support/witness.ts';

const LOGINS = 50;

describe('many logins at once', () => {
  const rig = useRig();

  test('all succeed with serials of their own, and the trail verifies', async () => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    const numbers = Array.from({ length: LOGINS }, (_, index) => `${index}`);
    const results = await Promise.all(
      numbers.map((number) => login({ command: ['echo', number], connectTimeout: 30, deadline: 60_000 })),
    );
    expect(results.filter(({ code }) => code !== 0)).toEqual([]);
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(numbers);
    await seen.certifiedLogins(LOGINS);

    // Signatures are answered before they are written down: stopping waits for the last of these records.
    await warden.stop();
    const count = (event: string) => seen.records().filter((record) => record.event === event).length;
    expect([count('cert.intent'), count('cert.issued'), count('cert.used')]).toEqual([
      LOGINS,
      LOGINS,
      LOGINS,
    ]);
    const verified = await verifyTrail(join(warden.stateDir, 'audit'));
    expect(verified).toMatchObject({ intact: true, problemCount: 0, warningCount: 0, orphanCount: 0 });
    expect(verified.records).toBe(warden.trail().length);
  }, 90_000);
});
