import { appendFileSync } from 'node:fs';
import { beforeEach, describe, expect, it } from 'vitest';
import { type IssuanceFilter, listIssuances } from '../../../src/activity/issuances.ts';
import { openTrail, type Trail } from '../../../src/trail/trail.ts';
import { auditDirectory, mint, trailPath } from '../trail/fixture.ts';

const NOON = Date.parse('2026-11-23T12:00:00.000Z');
const HOUR = 3600 * 1000;

let now = NOON;
let directory = '';
let trail: Trail;

/** Appends an intent and its result, `hoursAgo` before noon. */
async function login(corr: string, hoursAgo: number, more: Parameters<typeof mint>[2] = {}): Promise<void> {
  now = NOON - hoursAgo * HOUR;
  const { outcome = 'ok', error_code, message, cert, ...common } = more;
  await trail.append(mint(corr, 'intent', common));
  await trail.append(mint(corr, 'result', { ...common, outcome, error_code, message, cert }));
}

const list = (filter: Partial<IssuanceFilter> = {}) => listIssuances(directory, { now: NOON, ...filter });
const states = async (filter: Partial<IssuanceFilter> = {}) =>
  (await list(filter)).issuances.map(({ corr, state }) => `${corr} ${state}`);

beforeEach(async () => {
  directory = auditDirectory();
  trail = await openTrail(directory, { clock: { now: () => now, monotonicNs: () => 0n } });
  return () => trail.close();
});

describe('issuances', () => {
  it('join intent, result, use and end; an intent without a result is an orphan', async () => {
    await login('used', 9, { cert: { serial: '77' }, bao: { role: 'warden-jit-adm' } });
    await trail.append({ event: 'cert.used', phase: 'single', outcome: 'ok', corr: 'used', target: 'root' });
    await login('expired', 8);
    await trail.append({ event: 'cert.expired', phase: 'single', outcome: 'ok', corr: 'expired' });
    await login('issued', 7);
    await login('denied', 6, { outcome: 'denied', error_code: 'bao_denied', message: 'permission denied' });
    await login('error', 5, { outcome: 'error', error_code: 'bao_timeout' });
    await trail.append(mint('orphan', 'intent'));
    await trail.append({ event: 'agent.bind_refused', phase: 'single', outcome: 'denied', corr: 'refused' });
    expect(await states()).toEqual([
      'used used',
      'expired expired',
      'issued issued',
      'denied denied',
      'error error',
      'orphan orphan',
    ]);
    expect((await list()).issuances[0]).toMatchObject({
      ts: '2026-11-23T03:00:00.000Z',
      target: 'root',
      cert: { serial: '77' },
      bao: { role: 'warden-jit-adm' },
      used: ['2026-11-23T03:00:00.000Z'],
    });
  });

  it('are those of the last 7 days, or as many as asked for', async () => {
    await login('old', 24 * 8);
    await login('week', 24 * 6);
    await login('today', 1);
    expect(await states()).toEqual(['week issued', 'today issued']);
    expect(await states({ days: 1 })).toEqual(['today issued']);
    expect(await states({ days: 1e9 })).toHaveLength(3);
  });

  it('are filtered by host, actor and state', async () => {
    await login('a', 3, { host: 'web2' });
    await login('b', 2, { actor: { type: 'atm', id: 'atm-nightly' } });
    await login('c', 1, { outcome: 'denied' });
    expect(await states({ host: 'web2' })).toEqual(['a issued']);
    expect(await states({ actor: 'atm-nightly' })).toEqual(['b issued']);
    expect(await states({ state: 'denied' })).toEqual(['c denied']);
  });

  it('are none without a trail; lines that are not records are counted', async () => {
    expect(await listIssuances(auditDirectory(), { now: NOON })).toEqual({
      issuances: [],
      skipped: 0,
      dropped: 0,
    });
    await login('a', 1);
    appendFileSync(trailPath(directory), 'garbage\n{"torn');
    expect(await list()).toMatchObject({ issuances: [{ corr: 'a' }], skipped: 2 });
  });
});
