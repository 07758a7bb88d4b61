import { once } from 'node:events';
import { appendFileSync, createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/system/clock.ts';
import { lineHash, NO_LINE_BEFORE } from '../../../src/trail/record.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { renderVerification } from '../../../src/trail/verification.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { auditDirectory, mint, rawLines, trailPath, writeLines, writtenTrail } from './fixture.ts';

const codes = async (directory: string) =>
  (await verifyTrail(directory)).problems.map(({ line, code }) => `${line} ${code}`);

describe('verify', () => {
  it('finds a written trail intact, and a missing one empty', async () => {
    const directory = await writtenTrail(5);
    const last = rawLines(directory).at(-1) ?? '';
    expect(await verifyTrail(directory)).toEqual({
      intact: true,
      segments: 1,
      records: 10,
      checkpoints: 0,
      removed: undefined,
      head: { seq: 10, hash: lineHash(last) },
      problems: [],
      problemCount: 0,
      warnings: [],
      warningCount: 0,
      orphans: [],
      orphanCount: 0,
      torn: undefined,
    });
    expect(await verifyTrail(auditDirectory())).toMatchObject({
      intact: true,
      records: 0,
      head: { seq: 0, hash: NO_LINE_BEFORE },
    });
  });

  it('lists orphans: intents without a result', async () => {
    const directory = auditDirectory();
    const trail = await openTrail(directory, { clock: { now: () => 0, monotonicNs: () => 0n } });
    for (const [corr, phase] of [
      ['a', 'intent'],
      ['b', 'intent'],
      ['a', 'result'],
      ['c', 'intent'],
    ] as const) {
      await trail.append(mint(corr, phase));
    }
    await trail.close();
    const result = await verifyTrail(directory);
    expect(result).toMatchObject({ intact: true, orphanCount: 2 });
    expect(result.orphans).toEqual([
      { file: 'trail.jsonl', line: 2, seq: 2, ts: '1970-01-01T00:00:00.000Z', corr: 'b' },
      { file: 'trail.jsonl', line: 4, seq: 4, ts: '1970-01-01T00:00:00.000Z', corr: 'c' },
    ]);
    expect(renderVerification(result)).toContain('line 4: 1970-01-01T00:00:00.000Z c');
  });

  it('warns when the clock went back', async () => {
    const directory = auditDirectory();
    let now = 2_000_000;
    const clock: Clock = { now: () => now, monotonicNs: () => 0n };
    const trail = await openTrail(directory, { clock });
    await trail.append(mint('a', 'intent'));
    now -= 60_000;
    await trail.append(mint('a', 'result'));
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({
      intact: true,
      warnings: [{ line: 2, code: 'time_backwards' }],
    });
  });

  it("finds that the boot's own clock went back, which a clock that is set does not touch", async () => {
    const directory = auditDirectory();
    let [now, mono] = [2_000_000, 9_000n];
    const trail = await openTrail(directory, { clock: { now: () => now, monotonicNs: () => mono } });
    await trail.append(mint('a', 'intent'));
    now += 1;
    mono = 10_000n;
    await trail.append(mint('a', 'result'));
    expect(await verifyTrail(directory)).toMatchObject({ intact: true });
    mono = 9_999n;
    await trail.append(mint('b', 'intent'));
    await trail.close();
    expect(await verifyTrail(directory)).toMatchObject({
      intact: false,
      problems: [{ file: 'trail.jsonl', line: 3, code: 'clock_impossible' }],
    });
  });

  it('notes a torn last line without calling it a change', async () => {
    const directory = await writtenTrail(1);
    appendFileSync(trailPath(directory), '{"v":1,');
    expect(await verifyTrail(directory)).toMatchObject({
      intact: true,
      records: 2,
      torn: { line: 3, bytes: 7 },
    });
  });
});

describe('tampering is found', () => {
  it('at whichever byte of all lines but the last a bit is flipped', async () => {
    const directory = await writtenTrail(2);
    const bytes = readFileSync(trailPath(directory));
    const beforeLast = bytes.lastIndexOf(10, bytes.length - 2);
    for (let at = 0; at <= beforeLast; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(trailPath(directory), changed);
      expect((await verifyTrail(directory)).intact, `byte ${at}`).toBe(false);
    }
  });

  it('when a line is removed, reordered, repeated or replaced', async () => {
    const directory = await writtenTrail(3);
    const [a = '', b = '', c = '', d = '', e = '', f = ''] = rawLines(directory);
    const cases: [string[], string[]][] = [
      [
        [a, b, d, e, f],
        ['3 chain_broken', '3 seq_gap'],
      ],
      [[b, c, d, e, f], ['1 start_missing']],
      [
        [a, c, b, d, e, f],
        ['2 chain_broken', '2 seq_gap', '3 chain_broken', '3 seq_gap', '4 chain_broken', '4 seq_gap'],
      ],
      [
        [a, b, b, c, d, e, f],
        ['3 chain_broken', '3 seq_gap'],
      ],
      [[a, b.replace('"ops"', '"root"'), c, d, e, f], ['3 chain_broken']],
      [
        [a, 'garbage', c, d, e, f],
        ['2 not_a_record', '3 chain_broken', '3 seq_gap'],
      ],
      [
        [a, '', b, c, d, e, f],
        ['2 not_a_record', '3 chain_broken'],
      ],
      [
        [a, 'x'.repeat(200_000), b, c, d, e, f],
        ['2 overlong', '3 chain_broken'],
      ],
    ];
    for (const [lines, expected] of cases) {
      writeLines(directory, lines);
      expect(await codes(directory)).toEqual(expected);
    }
  });

  it('when a forged line is inserted, even one that continues the line before it', async () => {
    const directory = await writtenTrail(2);
    const [a = '', b = '', c = '', d = ''] = rawLines(directory);
    const forged = c
      .replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${lineHash(b)}"`)
      .replace('adm-example', 'adm-victim');
    writeLines(directory, [a, b, forged, c, d]);
    expect(await codes(directory)).toEqual(['4 chain_broken', '4 seq_gap']);
  });

  it('when a forged line has fields or values that warden does not write', async () => {
    const directory = await writtenTrail(1);
    const lines = rawLines(directory);
    const last = lines.pop() ?? '';
    for (const forged of [
      last.replace('"v":1', '"v":1,"note":"x"'),
      last.replace('"phase":"result"', '"phase":"other"'),
      last.replace(/"seq":\d+/, '"seq":"2"'),
    ]) {
      expect(forged).not.toBe(last);
      writeLines(directory, [...lines, forged]);
      expect(await codes(directory)).toEqual(['2 not_a_record']);
    }
  });

  it('but a cut tail or a changed last line only by who noted the head before', async () => {
    const directory = await writtenTrail(3);
    const before = await verifyTrail(directory);
    const lines = rawLines(directory);

    writeLines(directory, lines.slice(0, 4));
    const cut = await verifyTrail(directory);
    expect(cut.intact).toBe(true); // the file alone can't tell
    expect(cut.head).not.toEqual(before.head);

    const last = lines.at(-1) ?? '';
    writeLines(directory, [...lines.slice(0, -1), last.replace('"ops"', '"root"')]);
    const changed = await verifyTrail(directory);
    expect(changed.intact).toBe(true);
    expect(changed.head.seq).toBe(before.head.seq);
    expect(changed.head.hash).not.toBe(before.head.hash);
  });

  it('with lists that stay short however much is wrong', async () => {
    const directory = auditDirectory();
    mkdirSync(directory);
    writeLines(
      directory,
      Array.from({ length: 5000 }, () => 'x'),
    );
    const result = await verifyTrail(directory);
    expect(result).toMatchObject({ intact: false, problemCount: 5000 });
    expect(result.problems).toHaveLength(1000);
    expect(renderVerification(result)).toContain('… and 4000 more');
  });
});

it('reads a long trail in constant memory', async () => {
  const directory = auditDirectory();
  mkdirSync(directory);
  const out = createWriteStream(trailPath(directory));
  let prev = NO_LINE_BEFORE;
  const filler = 'x'.repeat(8000);
  const count = 16_000; // 128 MB
  for (let seq = 1; seq <= count; seq += 1) {
    const line = `{"v":1,"seq":${seq},"id":"01JDABCDEFGHJKMNPQRSTVWXYZ","ts":"2026-11-23T18:00:00.000Z","mono_ns":"1","boot_id":"b","event":"cert.intent","code":"W1000I","phase":"intent","cert":{"options":{"filler":"${filler}"}},"prev":"${prev}"}`;
    prev = lineHash(line);
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  await new Promise<void>((resolve) => out.end(resolve));
  const before = process.memoryUsage().rss;
  expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: count });
  expect(process.memoryUsage().rss - before).toBeLessThan(96 * 1024 * 1024);
});
