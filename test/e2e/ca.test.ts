/** OpenBao's SSH CA is an ed25519 or an RSA key, and sshd says which CA it trusted. */
import { describe, expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import { watch } from '../support/witness.ts';

describe.each(['ed25519', 'rsa'] as const)('an %s CA', (ca) => {
  const rig = useRig({ bao: { ca } });

  test('makes certificates that sshd takes', async () => {
    const { bao, login, sshd, warden } = rig();
    const seen = watch(warden, sshd);
    expect(bao.caPublicKey).toMatch(ca === 'rsa' ? /^ssh-rsa / : /^ssh-ed25519 /);
    expect(await login()).toMatchObject({ code: 0 });
    await seen.certifiedLogins(1);
    expect(sshd.logins()[0]?.certificate?.caFingerprint).toBe(bao.caFingerprint);
    expect(seen.records().find(({ phase }) => phase === 'result')?.cert?.ca_fp).toBe(bao.caFingerprint);
  });

  test('is learnt once and named by status', async () => {
    const { bao, warden } = rig();
    expect((await warden.cli(['status'])).stdout).toContain(bao.caFingerprint);
  });
});
