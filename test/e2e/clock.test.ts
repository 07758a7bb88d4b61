/** Time is OpenBao's: a daemon whose own clock is wrong hands out certificates that are valid now, and says that its clock is wrong. */
import { describe, expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import { skewedClock } from '../support/warden.ts';
import { watch } from '../support/witness.ts';

const MINUTES = 60_000;

describe.each([10, -10])('a daemon whose clock is %i minutes off', (minutes) => {
  const rig = useRig({ warden: () => ({ clock: skewedClock(minutes * MINUTES) }) });

  test('logs in, again and again', async () => {
    const { login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    expect(await login()).toMatchObject({ code: 0 });
    expect(await login()).toMatchObject({ code: 0 });
    await seen.certifiedLogins(2);

    const [result] = seen.records().filter(({ phase }) => phase === 'result');
    const offBy = (time: string | undefined) => Math.round((Date.parse(time ?? '') - Date.now()) / MINUTES);
    // The record's time is the daemon's, the certificate's is OpenBao's.
    expect(offBy(result?.ts)).toBe(minutes);
    expect(Date.parse(result?.cert?.valid_after ?? '')).toBeLessThan(Date.now());
    expect(Date.parse(result?.cert?.valid_before ?? '')).toBeGreaterThan(Date.now());
  });

  test('says so in status', async () => {
    const { stdout } = await rig().warden.cli(['status']);
    const seconds = /clock (-?[\d.]+) s from ours/.exec(stdout)?.[1];
    expect(Math.round(Number(seconds) / 60)).toBe(-minutes);
  });
});
