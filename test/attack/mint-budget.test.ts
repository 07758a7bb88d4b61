/** Certificates that nobody uses: 30 a minute for a user, then no more until the minute is over. Logins cost nothing of it. */
import { expect, test } from 'vitest';
import { MAX_UNUSED, WINDOW_MS } from '../../agent/mint-budget.ts';
import { jumpingClock, newestRefusal } from '../fault/fault-rig.ts';
import { useRig } from '../support/rig.ts';
import { connected, expectHonestLogin, genuineBind, honestLogin, minted, watchRefusals } from './matrix.ts';

const clock = jumpingClock();
const rig = useRig({ warden: () => ({ clock, agent: { direct_peers: 'any' } }) });

/** Mints on a connection of its own and closes it; with `sign`, logs in first. */
async function mint(sign: boolean): Promise<void> {
  const bind = genuineBind(rig());
  await connected(rig().warden.socket, async (client) => {
    const identity = await minted(client, bind);
    if (sign) expect(await client.sign(identity.blob, honestLogin(rig(), bind, identity))).toBeDefined();
  });
}

test('logins do not count, however many', async () => {
  for (let n = 0; n <= MAX_UNUSED; n += 1) await mint(true);
  await expectHonestLogin(rig());
});

test('after 30 unused ones the user gets none, and the trail says so', async () => {
  const expired = () =>
    rig()
      .warden.trail()
      .filter(({ event }) => event === 'cert.expired').length;
  for (let n = 0; n < MAX_UNUSED; n += 1) await mint(false);
  await expect.poll(expired).toBe(MAX_UNUSED);

  const refusals = watchRefusals(rig());
  const asked = rig()
    .warden.trail()
    .filter(({ phase }) => phase === 'intent').length;
  await connected(rig().warden.socket, async (client) => {
    expect(await client.bind(genuineBind(rig()))).toBe(true);
    expect(await client.identities()).toEqual([]);
    // A plain list is no mint and is not refused for it.
    await connected(rig().warden.socket, (plain) => plain.identities());
  });
  await expect
    .poll(() => refusals().map(({ event, error_code }) => `${event} ${error_code}`))
    .toEqual(['agent.bind_refused rate_limited', 'agent.bind_refused no_binding']);
  expect(refusals()[0]).toMatchObject({ caller: { uid: process.getuid?.(), pid: process.pid } });
  expect(
    rig()
      .warden.trail()
      .filter(({ phase }) => phase === 'intent').length,
  ).toBe(asked);
  expect(await newestRefusal(rig().warden)).toMatchObject({ code: 'rate_limited', pid: process.pid });
});

test('a real ssh is told why, by its host', async () => {
  expect(await rig().login()).toMatchObject({ code: 255 });
  const { stdout } = await rig().warden.cli(['why', '127.0.0.1']);
  expect(stdout).toContain(`let ${MAX_UNUSED} certificates go unused within a minute`);
});

test('an honest login works again when the minute is over', async () => {
  clock.jump(WINDOW_MS);
  await expectHonestLogin(rig());
});
