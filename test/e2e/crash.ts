/**
 * `kill -9` of the daemon while logins are under way, again and again (promise 3). What is killed is the process, not the machine: the
 * order of records and their syncs is shown here, that fdatasync does what it says is the disk's word.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TrailRecord } from '../../src/trail/record.ts';
import { TRAIL_FILE } from '../../src/trail/segments.ts';
import { verifyTrail } from '../../src/trail/verify.ts';
import type { Rig } from '../support/rig.ts';

/** Logins at once in each round. */
const LOGINS = 3;
/** A round of logins takes about this long on a slow machine, and longer on a busy one: the kills are spread over it, with some chance added. */
const SPREAD_MS = 400;

export function auditDirectory(rig: Rig): string {
  return join(rig.warden.stateDir, 'audit');
}

/** One round: logins, a kill in their midst, the daemon back on the same socket. Returns how many got in. */
async function round(rig: Rig, delay: number): Promise<number> {
  const logins = Promise.all(Array.from({ length: LOGINS }, () => rig.login()));
  await sleep(delay);
  await rig.warden.kill();
  const results = await logins;
  // None hangs, and each that failed was refused by sshd for want of a key.
  for (const { timedOut, code } of results)
    expect({ timedOut, ok: code === 0 || code === 255 }).toEqual({ timedOut: false, ok: true });
  await rig.warden.start();
  return results.filter(({ code }) => code === 0).length;
}

/** Intent and result of each mint, by the serial that the result has. */
function mintsBySerial(
  records: readonly TrailRecord[],
): Map<string, { intent: TrailRecord; result: TrailRecord }> {
  const intents = new Map<string, TrailRecord>();
  const mints = new Map<string, { intent: TrailRecord; result: TrailRecord }>();
  for (const record of records) {
    const { event, corr = '' } = record;
    if (event === 'cert.intent') intents.set(corr, record);
    const intent = intents.get(corr);
    if (event === 'cert.issued' && intent !== undefined)
      mints.set(record.cert?.serial ?? '', { intent, result: record });
  }
  return mints;
}

/** Holds the trail against sshd's log: whoever got in has an intent and, after it, a result, for this very key. */
export async function expectNothingLost(rig: Rig): Promise<void> {
  const verification = await verifyTrail(auditDirectory(rig));
  expect(verification).toMatchObject({ intact: true, problems: [], torn: undefined });
  const mints = mintsBySerial(rig.warden.trail());
  for (const { certificate, fingerprint } of rig.sshd.logins()) {
    const mint = mints.get(`${certificate?.serial}`);
    expect({
      serial: certificate?.serial,
      intent: mint?.intent.cert?.fp,
      result: mint?.result.cert?.fp,
    }).toEqual({
      serial: certificate?.serial,
      intent: fingerprint,
      result: fingerprint,
    });
  }
}

/** So many kills, spread over the time that logins take; then the trail is held against sshd's log. */
export async function storm(rig: Rig, rounds: number): Promise<void> {
  const began = performance.now();
  await Promise.all(Array.from({ length: LOGINS }, () => rig.login()));
  const spread = Math.max(SPREAD_MS, performance.now() - began);
  let entered = 0;
  for (let i = 0; i < rounds; i += 1) entered += await round(rig, ((i + Math.random()) / rounds) * spread);
  // Neither a storm in which no kill met a login nor one in which no login got through would show anything.
  expect(entered).toBeGreaterThan(0);
  expect(entered).toBeLessThan(rounds * LOGINS);
  await expectNothingLost(rig);
  // The last daemon serves as the first one did.
  const known = rig.sshd.logins().length;
  expect(await rig.login({ command: ['echo', 'back'] })).toMatchObject({ stdout: 'back\n', code: 0 });
  await rig.sshd.waitForLogins(known + 1);
  await expectNothingLost(rig);
}

/** A record that its writer did not finish: what a crash of the machine leaves. */
export async function tearLastLine(rig: Rig): Promise<void> {
  await rig.warden.kill();
  const torn = '{"v":1,"seq":999999,"id":"01';
  appendFileSync(join(auditDirectory(rig), TRAIL_FILE), torn);
  expect((await verifyTrail(auditDirectory(rig))).torn).toMatchObject({ bytes: torn.length });
  await rig.warden.start();
  expect(await rig.login()).toMatchObject({ code: 0 });
  await expectNothingLost(rig);
  expect(rig.warden.trail().filter(({ event }) => event === 'trail.torn')).toHaveLength(1);
  const aside = readdirSync(auditDirectory(rig)).filter((name) => name.startsWith('torn-'));
  expect(aside.map((name) => readFileSync(join(auditDirectory(rig), name), 'utf8'))).toEqual([torn]);
}
