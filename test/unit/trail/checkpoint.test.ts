import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { AUDIT_KEY_FILE, auditKey, readAuditKey } from '../../../src/trail/audit-key.ts';
import { encodeCheckpoint, readCheckpoint, splitNotes } from '../../../src/trail/checkpoint.ts';
import { Checkpointer, EVERY_MS, EVERY_RECORDS } from '../../../src/trail/checkpointer.ts';
import { encodeVerifierKey, parseVerifierKey } from '../../../src/trail/note.ts';
import type { RecordInput } from '../../../src/trail/record.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { corrupt } from './corrupt.ts';
import { auditDirectory, rawLines, signedTrail, trailPath, writeLines } from './fixture.ts';

function stateDir(): string {
  const directory = dirname(auditDirectory());
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

const SAID = { seq: 7, hash: 'ab'.repeat(32), ts: '2026-11-26T00:00:00.000Z' };

describe('the key', () => {
  it('is made once, 0600, and is the same for whoever comes later', () => {
    const directory = stateDir();
    expect(readAuditKey(directory)).toBeUndefined();
    const made = auditKey(directory);
    expect(statSync(join(directory, AUDIT_KEY_FILE)).mode & 0o777).toBe(0o600);
    expect(encodeVerifierKey(auditKey(directory))).toBe(encodeVerifierKey(made));
    expect(parseVerifierKey(`${encodeVerifierKey(made)}\n`)).toEqual({
      name: made.name,
      publicKey: made.publicKey,
    });
  });

  it('that others may read, or that is none, is refused', () => {
    const directory = stateDir();
    auditKey(directory);
    const path = join(directory, AUDIT_KEY_FILE);
    chmodSync(path, 0o640);
    expect(() => auditKey(directory)).toThrow(/not yours alone/);
    chmodSync(path, 0o600);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    for (const text of [
      '',
      'x'.repeat(2000),
      privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    ]) {
      writeFileSync(path, text);
      expect(() => auditKey(directory)).toThrow(/the key of the trail/);
    }
  });

  it.each(['', 'name', 'a b+00000000+AAAA', 'name+00000000+AUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB'])(
    'a verifier key that is none: %s',
    (text) => expect(parseVerifierKey(text)).toBeUndefined(),
  );
});

describe('a checkpoint', () => {
  it('is a signed note that says which record was last', () => {
    const key = auditKey(stateDir());
    const note = encodeCheckpoint(SAID, key, (bytes) => key.sign(bytes));
    expect(note.split('\n').slice(0, 5)).toEqual([
      key.name,
      '7',
      Buffer.from(SAID.hash, 'hex').toString('base64'),
      `time ${SAID.ts}`,
      '',
    ]);
    expect(readCheckpoint(note, key)).toEqual({ origin: key.name, ...SAID, signed: true });
    // Others may have signed it too (witnesses).
    expect(readCheckpoint(`${note}— witness AAAAAAAA\n`, key)?.signed).toBe(true);
    expect(splitNotes(`${note}\n${note}${note}`)).toEqual([note, note, note]);
  });

  it('by another key, or changed anywhere, is not signed', () => {
    const [key, other] = [auditKey(stateDir()), auditKey(stateDir())];
    const note = encodeCheckpoint(SAID, key, (bytes) => key.sign(bytes));
    expect(readCheckpoint(note, other)?.signed).toBe(false);
    for (let at = 0; at < note.length; at += 1) {
      const changed = `${note.slice(0, at)}${note[at] === 'x' ? 'y' : 'x'}${note.slice(at + 1)}`;
      expect(readCheckpoint(changed, key)?.signed ?? false, `character ${at}`).toBe(false);
    }
  });
});

describe('when', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function checkpointer() {
    const records: RecordInput[] = [];
    const sent: string[] = [];
    const key = auditKey(stateDir());
    const made = new Checkpointer({
      clock: systemClock,
      trail: {
        append: (record) => {
          records.push(record);
          const appended = { seq: 99, id: 'i', ts: 't', hash: SAID.hash };
          made.noteAppended(appended);
          return Promise.resolve(appended);
        },
      },
      key: () => key,
      onCheckpoint: (note) => {
        sent.push(note);
        return Promise.resolve();
      },
      onFailure: (error) => expect.unreachable(error.message),
    });
    const append = (seq: number) => made.noteAppended({ seq, id: 'i', ts: 't', hash: SAID.hash });
    return { made, append, records, sent, seqs: () => sent.map((note) => readCheckpoint(note, key)?.seq) };
  }

  it('after so many records, after so long with any, and at the end; never of nothing', async () => {
    const { made, append, seqs, records } = checkpointer();
    for (let seq = 1; seq < EVERY_RECORDS; seq += 1) append(seq);
    expect(records).toEqual([]);
    append(EVERY_RECORDS);
    await vi.advanceTimersByTimeAsync(0);
    expect(seqs()).toEqual([EVERY_RECORDS]);
    await vi.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(seqs()).toHaveLength(1);
    append(1_500);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    expect(seqs()).toEqual([EVERY_RECORDS, 1_500]);
    append(1_600);
    await made.close();
    expect(seqs()).toEqual([EVERY_RECORDS, 1_500, 1_600]);
    expect(records.map(({ event }) => event)).toEqual(Array(3).fill('trail.checkpoint'));
  });
});

describe('a trail with checkpoints, held against one that was kept elsewhere', () => {
  it('is intact, and says how many it has', async () => {
    const { directory, key, anchor } = await signedTrail(20);
    expect(await verifyTrail(directory, { key, anchors: [anchor] })).toMatchObject({
      intact: true,
      checkpoints: 4,
    });
  });

  it('whose tail is cut, whole or in the middle of a line, or which is gone', async () => {
    const { directory, key, anchor } = await signedTrail(20);
    const lines = rawLines(directory);
    const problems = async () =>
      (await verifyTrail(directory, { key, anchors: [anchor] })).problems.map(({ code }) => code);
    writeLines(directory, lines.slice(0, -3));
    // The file itself shows nothing.
    expect(await verifyTrail(directory, { key })).toMatchObject({ intact: true });
    expect(await problems()).toEqual(['tail_missing']);
    writeFileSync(trailPath(directory), lines.join('\n').slice(0, -10));
    expect(await problems()).toEqual(['tail_missing']);
    writeFileSync(trailPath(directory), '');
    expect(await problems()).toEqual(['tail_missing']);
  });

  it('that was made anew, with a key of its own', async () => {
    const [former, forged] = [await signedTrail(20), await signedTrail(30)];
    const { key, anchor } = former;
    const seen = await verifyTrail(forged.directory, { key, anchors: [anchor] });
    expect(new Set(seen.problems.map(({ code }) => code))).toEqual(
      new Set(['checkpoint_forged', 'anchor_wrong']),
    );
  });

  it('500 random changes are each found', async () => {
    const { directory, key, anchor } = await signedTrail(20);
    const whole = readFileSync(trailPath(directory));
    for (let seed = 0; seed < 500; seed += 1) {
      const { bytes, what } = corrupt(whole, seed);
      writeFileSync(trailPath(directory), bytes);
      const { intact } = await verifyTrail(directory, { key, anchors: [anchor] });
      expect(intact, `seed ${seed}: ${what}`).toBe(false);
    }
  }, 120_000);
});
