/** The cutover record from what a trail holds; e2e/cutover.test.ts makes whole ones. */
import { expect, test } from 'vitest';
import { listIssuances } from '../../../src/activity/issuances.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { evidence } from '../../../src/tunnel/evidence.ts';
import { auditDirectory, mint } from '../trail/fixture.ts';

test('the gate’s decisions are in it, and certificates that were refused are not', async () => {
  const directory = auditDirectory();
  const trail = await openTrail(directory, { clock: systemClock });
  const cert = (serial: string) => ({ serial, principals: ['ops'] });
  const policy = { engine: 'flex-auth', decision_id: 'decision:0123456789abcdef', allow: true };
  for (const [corr, more] of [
    ['before', {}],
    ['after', { policy }],
  ] as const) {
    await trail.append(mint(corr, 'intent', more));
    await trail.append(mint(corr, 'result', { outcome: 'ok', cert: cert(`${corr.length}`), ...more }));
  }
  await trail.append(mint('refused', 'intent'));
  await trail.append(mint('refused', 'result', { outcome: 'denied', error_code: 'bao_denied' }));
  await trail.close();
  const { issuances } = await listIssuances(directory, { now: Date.now() });
  const { record, lacks } = evidence({
    tunnel: { name: 'hub', host: 'h', actor: 'adm-test', user: undefined, key: 'k', certCommand: undefined },
    operator: 'me',
    now: 0,
    issuances,
    gateExit: 1,
    trailHead: { seq: 1, hash: '0'.repeat(64) },
    sshdLog: undefined,
    bridgeEvents: undefined,
    rollbackTested: false,
    oldKeyRemoved: false,
  });
  expect(record.certificates.map(({ serial, policy_decision_id: id }) => [serial, id])).toEqual([
    ['6', null],
    ['5', policy.decision_id],
  ]);
  expect(record.policy_decision_id).toBe(policy.decision_id);
  expect(lacks).toHaveLength(6);
});
