/** The main job: the system's ssh logs in at a real sshd with a certificate that a real OpenBao made for this login. */
import { describe, expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';

describe('a login with ssh, sshd and OpenBao', () => {
  const rig = useRig();

  test('each login has a certificate of its own, and the trail tells the same as sshd', async () => {
    const { login, sshd, warden } = rig();
    expect(await login({ command: ['echo', 'hello'] })).toMatchObject({ stdout: 'hello\n', code: 0 });
    expect(await login({ command: ['exit', '3'] })).toMatchObject({ code: 3 });
    const serials = (await sshd.waitForLogins(2)).map(({ certificate }) => String(certificate?.serial));
    expect(new Set(serials).size).toBe(2);
    const results = warden.trail().filter(({ phase }) => phase === 'result');
    expect(results.map(({ cert }) => cert?.serial)).toEqual(serials);
    const once = ['cert.intent intent', 'cert.issued result', 'cert.used single'];
    const events = warden.trail().map(({ event, phase }) => `${event} ${phase}`);
    expect(events).toEqual(['daemon.start single', ...once, ...once]);
  });
});
