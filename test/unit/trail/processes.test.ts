/** Real processes on one trail: two at once, and one that is killed at random moments. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { readRecords } from '../../../src/trail/read.ts';
import { listSegments } from '../../../src/trail/segments.ts';
import { openTrail } from '../../../src/trail/trail.ts';
import { verifyTrail } from '../../../src/trail/verify.ts';
import { auditDirectory } from './fixture.ts';

const here = import.meta.dirname;
const place = mkdtempSync(join(tmpdir(), 'warden-writer-'));
const writer = join(place, 'writer.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [join(here, 'writer-process.ts')],
    outfile: writer,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    // koffi has native parts: loaded from where this tree has it, by the createRequire(import.meta.filename) of system/libc.ts.
    define: { 'import.meta.filename': JSON.stringify(join(here, 'x.ts')) },
    logLevel: 'error',
  });
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

/**
 * Starts a writer. `ready`: its trail is open, and `go()` makes it begin; `begun`: a record was acknowledged.
 * `acknowledged` fills as it prints; `ended` resolves to its exit code (null when it was killed).
 */
function start(
  directory: string,
  name: string,
  count: number,
  parallel: number,
  filler: number,
  segment: number,
) {
  const child = spawn(
    process.execPath,
    [writer, directory, name, ...[count, parallel, filler, segment].map(String)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const printed: string[] = [];
  let unfinished = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    printed.push(...lines);
  });
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => resolve(code));
  });
  const hasPrinted = async (lines: number) => {
    while (printed.length < lines && child.exitCode === null) await delay(1);
  };
  return {
    child,
    ended,
    ready: () => hasPrinted(1),
    go: () => child.stdin.end('go'),
    begun: () => hasPrinted(2),
    acknowledged: () => printed.slice(1),
  };
}

async function corrsOf(directory: string): Promise<string[]> {
  const corrs: string[] = [];
  await readRecords(directory, 0, ({ corr }) => corrs.push(corr ?? ''));
  return corrs;
}
const setAside = (directory: string) => readdirSync(directory).filter((name) => name.startsWith('torn-'));

it('two processes that append at once keep one chain, and every record is in it once', async () => {
  const directory = auditDirectory();
  const writers = ['a', 'b'].map((name) => start(directory, name, 400, 4, 0, 20_000));
  for (const { ready } of writers) await ready();
  for (const { go } of writers) go();
  expect(await Promise.all(writers.map(({ ended }) => ended))).toEqual([0, 0]);
  expect(await verifyTrail(directory)).toMatchObject({ intact: true, records: 800, warnings: [] });
  const corrs = await corrsOf(directory);
  expect(listSegments(directory).length).toBeGreaterThan(10);
  expect(new Set(corrs).size).toBe(800);
  // They did overlap: not one after the other.
  const switches = corrs.filter((corr, i) => i > 0 && corr[0] !== corrs[i - 1]?.[0]).length;
  expect(switches).toBeGreaterThan(1);
});

it('kill -9 at random moments loses no acknowledged record and leaves a chain that verifies', async () => {
  const directory = auditDirectory();
  const acknowledged: string[] = [];
  for (let round = 0; round < 10; round += 1) {
    // Long lines, many at once: large writes, so that some kills fall into the middle of one.
    const victim = start(directory, `round${round}`, 1_000_000, 100, 6000, 1_500_000);
    await victim.ready();
    victim.go();
    await victim.begun();
    await delay(Math.random() * 60);
    victim.child.kill('SIGKILL');
    expect(await victim.ended).toBe(null);
    acknowledged.push(...victim.acknowledged());
    // Before anyone repairs it the trail verifies too: at most its last line is torn.
    const asLeft = await verifyTrail(directory);
    expect(asLeft.problems).toEqual([]);
    const torn = setAside(directory).length;
    const trail = await openTrail(directory, { clock: systemClock });
    await trail.close();
    expect(setAside(directory).length - torn).toBe(asLeft.torn === undefined ? 0 : 1);
  }
  const result = await verifyTrail(directory);
  expect(result).toMatchObject({ problems: [], torn: undefined });
  const written = new Set(await corrsOf(directory));
  expect(acknowledged.filter((corr) => !written.has(corr))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(10);
  const aside = setAside(directory).length;
  expect(listSegments(directory).length).toBeGreaterThan(1);
  expect(result.warnings.filter(({ code }) => code === 'torn_set_aside')).toHaveLength(aside);
  console.log(
    `kill -9: ${acknowledged.length} acknowledged of ${written.size}, ${result.segments} files, ${aside} torn lines set aside`,
  );
});
