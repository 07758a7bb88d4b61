/** A local process that is refused in a loop: the trail neither grows with it nor forgets it, and logins go on. */
import { expect, onTestFinished, test } from 'vitest';
import { encodeFrame } from '../../agent/protocol/frames.ts';
import { MESSAGE } from '../../agent/protocol/messages.ts';
import { BURST } from '../../agent/refusal-records.ts';
import { requestLogin } from '../../src/control/client.ts';
import { useRig } from '../support/rig.ts';
import { startWarden } from '../support/warden.ts';
import { connected, expectHonestLogin } from './matrix.ts';

const rig = useRig();
const FLOOD = 5_000;
/** A list request with something in it. */
const MALFORMED = Buffer.from([MESSAGE.requestIdentities, 0]);

test('a program that logs in to OpenBao in a loop, in vain: the same', async () => {
  const auth = { method: 'token', token_env: 'NOT_SET' };
  const other = await startWarden({
    openbao: { addr: 'http://127.0.0.1:1', settings: { auth } },
    lanes: { web: { hosts: ['web.test'], logins: ['ops'], role: 'r' } },
    principals: ['ops'],
    knownHosts: [],
  });
  onTestFinished(() => other.remove());
  const tries = BURST + 100;
  for (let count = 0; count < tries; count += 1)
    await expect(requestLogin([other.controlSocket], {})).rejects.toMatchObject({ code: 'no_token' });
  await other.stop();
  const written = other.trail().filter(({ event }) => event === 'login.failed').length;
  expect(written).toBeGreaterThanOrEqual(BURST);
  expect(written).toBeLessThan(tries);
  const more = other.trail().filter(({ event }) => event === 'agent.refusals_more');
  expect(more).toMatchObject([{ message: expect.stringContaining(`${tries - written} more refusals`) }]);
});

test('thousands of refusals are hundreds of records, and one that counts the others', async () => {
  const { warden } = rig();
  await connected(warden.socket, async (client) => {
    // In pieces: a client that never reads is not read from.
    for (let sent = 0; sent < FLOOD; sent += 500) {
      client.sendRaw(Buffer.concat(Array.from({ length: 500 }, () => encodeFrame(MALFORMED))));
      for (let n = 0; n < 500; n += 1) await client.receive();
    }
  });
  await expectHonestLogin(rig());
  const status: unknown = JSON.parse((await warden.cli(['status', '--json'])).stdout);
  expect(status).toMatchObject({ refused: FLOOD });
  await warden.stop();
  const refused = warden.trail().filter(({ event }) => event === 'agent.bind_refused').length;
  expect(refused).toBeGreaterThanOrEqual(BURST);
  expect(refused).toBeLessThan(BURST + 60);
  expect(warden.trail().filter(({ event }) => event === 'agent.refusals_more')).toMatchObject([
    {
      code: 'W2003W',
      outcome: 'denied',
      caller: { uid: process.getuid?.() },
      message: `${FLOOD - refused} more refusals, not written one by one: ${FLOOD - refused} malformed`,
    },
  ]);
  expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
});
