/** What the trail's tests share: a directory that goes away, records, the raw lines of the file. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../src/system/clock.ts';
import { ensurePrivateDirectory } from '../../../src/system/directories.ts';
import { auditKey, signCheckpoint } from '../../../src/trail/audit-key.ts';
import { encodeCheckpoint, readCheckpoint } from '../../../src/trail/checkpoint.ts';
import { readRecords } from '../../../src/trail/read.ts';
import type { RecordInput } from '../../../src/trail/record.ts';
import { TRAIL_FILE } from '../../../src/trail/segments.ts';
import { openTrail, Trail } from '../../../src/trail/trail.ts';

/** An audit directory that does not exist yet, inside a temporary one that is removed after the test. */
export function auditDirectory(): string {
  const base = mkdtempSync(join(tmpdir(), 'warden-trail-'));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  return join(base, 'audit');
}

export function mint(corr: string, phase: 'intent' | 'result', more: Partial<RecordInput> = {}): RecordInput {
  return {
    event: phase === 'intent' ? 'cert.intent' : 'cert.issued',
    phase,
    ...(phase === 'result' ? { outcome: 'ok' } : {}),
    corr,
    actor: { type: 'adm', id: 'adm-example' },
    caller: { uid: 1000, pid: 4711, exe: '/usr/bin/ssh' },
    host: 'web1.prod.example.com',
    target: 'ops',
    lane: 'prod-hosts',
    ...more,
  };
}

export const trailPath = (directory: string) => join(directory, TRAIL_FILE);

/** The file's lines without their newlines. */
export function rawLines(directory: string): string[] {
  const text = readFileSync(trailPath(directory), 'utf8');
  return text.split('\n').slice(0, -1);
}

export function writeLines(directory: string, lines: readonly string[]): void {
  writeFileSync(trailPath(directory), lines.map((line) => `${line}\n`).join(''));
}

/** A closed trail of `count` intents, each with its result: `2 * count` lines. */
export async function writtenTrail(count: number): Promise<string> {
  const directory = auditDirectory();
  const trail = await openTrail(directory, { clock: systemClock });
  for (let i = 0; i < count; i += 1) {
    await trail.append(mint(`corr-${i}`, 'intent'));
    await trail.append(mint(`corr-${i}`, 'result'));
  }
  await trail.close();
  return directory;
}

/** A closed trail of `count` intents with results and a checkpoint after every ten lines, its key, and the last checkpoint. */
export async function signedTrail(count: number) {
  const directory = auditDirectory();
  mkdirSync(directory, { mode: 0o700 });
  const key = auditKey(dirname(directory));
  const trail = await openTrail(directory, { clock: systemClock });
  let note = '';
  for (let i = 0; i < count; i += 1) {
    await trail.append(mint(`corr-${i}`, 'intent'));
    const { seq, hash, ts } = await trail.append(mint(`corr-${i}`, 'result'));
    if (i % 5 !== 4) continue;
    note = encodeCheckpoint({ seq, hash, ts }, key, (bytes) => key.sign(bytes));
    const { seq: at, hash: of } = await trail.append({
      event: 'trail.checkpoint',
      phase: 'single',
      outcome: 'ok',
      checkpoint: note,
    });
    // What is kept elsewhere speaks of the very last line, so that every change is before it.
    note = encodeCheckpoint({ seq: at, hash: of, ts }, key, (bytes) => key.sign(bytes));
  }
  await trail.close();
  const anchor = readCheckpoint(note, key);
  if (anchor === undefined) throw new Error('no checkpoint was made');
  return { directory, key, note, anchor };
}

export const NOON = Date.parse('2026-11-26T12:00:00.000Z');
export const DAY = 86_400_000;
/** A record of `mint` takes about 470 bytes and the room that is kept for its frame. */
export const SMALL = 3_000;

/** A trail with small segments under a clock of its own; each says which checkpoints its segments began with. */
export function segmented(directory = auditDirectory(), segmentBytes = SMALL) {
  let now = NOON;
  let ticks = 0n;
  const monotonicNs = () => {
    ticks += 1n;
    return ticks;
  };
  const clock: Clock = { now: () => now, monotonicNs };
  const begun: (string | undefined)[] = [];
  ensurePrivateDirectory(dirname(directory));
  const key = auditKey(dirname(directory));
  const open = () =>
    new Trail(directory, {
      clock,
      segmentBytes: () => segmentBytes,
      seal: (last) => signCheckpoint(last, key, clock),
      onSegment: (checkpoint) => begun.push(checkpoint),
    });
  const wait = (ms: number) => {
    now += ms;
  };
  return { directory, key, clock, begun, open, wait };
}

/** Appends `count` records, one after the other. */
export async function fill(trail: Trail, count: number, name = 'corr'): Promise<void> {
  for (let i = 0; i < count; i += 1) await trail.append(mint(`${name}-${i}`, 'result'));
}

export const seqsOf = async (directory: string, since = 0) => {
  const seqs: number[] = [];
  const { skipped } = await readRecords(directory, since, ({ seq }) => seqs.push(seq));
  return { seqs, skipped };
};
export const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
