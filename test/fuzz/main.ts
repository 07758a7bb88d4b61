/**
 * The long run: `npm run fuzz -- [--minutes N] [--target NAME] [--seed N] [--replay FILE] [--seeds]`. The targets run in a worker; this
 * thread watches it, so that an input that never ends or takes all memory is found, and known.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { Corpus } from './corpus.ts';
import { fuzz } from './fuzz.ts';
import { MAX_INPUT } from './mutate.ts';
import { Random } from './random.ts';
import { writeSeeds } from './seeds.ts';
import { attempt } from './target.ts';
import { stopJudging } from './targets/list.ts';
import { allTargets } from './targets.ts';

/** Seconds without a new input after which the worker is taken to hang; the judges' own deadlines are shorter. */
const STUCK_S = 60;
const MAX_HEAP_MB = 512;
/** Of the whole process: buffers are not in the heap. */
const MAX_RSS_BYTES = 1024 ** 3;
/** Milliseconds that one target has before the next has its turn. */
const TURN_MS = 5_000;
const JUDGE_ONE_IN = 1_000;

/** The working directory is the repository's root. */
const corpus = new Corpus('test/corpus');

const jobSchema = z.object({
  seed: z.number(),
  endsAt: z.number(),
  target: z.string().optional(),
  shared: z.instanceof(SharedArrayBuffer),
});

const reportSchema = z.object({
  inputs: z.number(),
  judged: z.number(),
  found: z.number(),
  crashes: z.array(z.string()),
});
type Report = z.infer<typeof reportSchema>;

/** The input that is being run, where both threads see it: a counter, the target's place in the list, the length, the bytes. */
class Current {
  readonly #head: Int32Array;
  readonly #bytes: Buffer;

  constructor(readonly shared: SharedArrayBuffer) {
    this.#head = new Int32Array(shared, 0, 3);
    this.#bytes = Buffer.from(shared, 12);
  }

  static create(): Current {
    return new Current(new SharedArrayBuffer(12 + MAX_INPUT));
  }

  set(target: number, input: Buffer): void {
    this.#head[1] = target;
    this.#head[2] = input.length;
    input.copy(this.#bytes);
    Atomics.add(this.#head, 0, 1);
  }

  get count(): number {
    return Atomics.load(this.#head, 0);
  }

  get target(): number {
    return this.#head[1] ?? 0;
  }

  get input(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#head[2] ?? 0));
  }
}

function replayHint(target: string, file: string): string {
  return `npm run fuzz -- --target ${target} --replay ${file}`;
}

function reportCrash(target: string, input: Buffer, why: string, file?: string): string {
  const path = file ?? corpus.write(target, 'crash', input);
  console.error(`\nFOUND in ${target}: ${why}\n  ${path}\n  ${replayHint(target, path)}`);
  return path;
}

async function work(): Promise<void> {
  const { seed, endsAt, target: only, shared } = jobSchema.parse(workerData);
  const current = new Current(shared);
  const targets = allTargets(corpus);
  const random = new Random(seed);
  const report: Report = { inputs: 0, judged: 0, found: 0, crashes: [] };
  const broken = new Set<string>();
  const turns = targets.filter(({ name }) => only === undefined || name === only);
  while (Date.now() < endsAt && broken.size < turns.length) {
    for (const target of turns.filter(({ name }) => !broken.has(name))) {
      const index = targets.indexOf(target);
      const turnEnds = Math.min(endsAt, Date.now() + TURN_MS);
      const result = await fuzz({
        target,
        entries: corpus.entries(target.name),
        random,
        goOn: () => Date.now() < turnEnds,
        before: (input) => current.set(index, input),
        found: (input) => {
          corpus.write(target.name, 'found', input);
          report.found += 1;
        },
        judgeOneIn: JUDGE_ONE_IN,
      });
      report.inputs += result.inputs;
      report.judged += result.judged;
      for (const { input, why, file } of result.findings) {
        report.crashes.push(reportCrash(target.name, input, why, file));
        broken.add(target.name);
      }
      if (process.memoryUsage().rss > MAX_RSS_BYTES)
        throw new Error(`${target.name} has used more than 1 GiB`);
    }
  }
  await stopJudging();
  parentPort?.postMessage(report);
}

/** Runs the worker to its end; undefined where it had to be ended. */
function supervise(job: Omit<z.infer<typeof jobSchema>, 'shared'>): Promise<Report | undefined> {
  const current = Current.create();
  const names = allTargets(corpus).map(({ name }) => name);
  return new Promise((done) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...job, shared: current.shared },
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    let seen = -1;
    const finish = (report?: Report) => {
      clearInterval(watch);
      done(report);
    };
    const giveUp = (why: string) => {
      reportCrash(names[current.target] ?? 'unknown', current.input, why);
      void worker.terminate().then(() => finish());
    };
    const watch = setInterval(() => {
      if (current.count === seen) giveUp(`no end within ${STUCK_S} s`);
      seen = current.count;
    }, STUCK_S * 1000);
    worker.once('message', (report: unknown) => finish(reportSchema.parse(report)));
    worker.once('error', (error) => giveUp(`the worker ended: ${error.message}`));
  });
}

async function replay(name: string | undefined, file: string): Promise<number> {
  const target = allTargets(corpus).find((each) => each.name === (name ?? file.split('/').at(-2)));
  if (target === undefined) throw new Error('--target is none of the targets');
  const input = readFileSync(file);
  const outcome = await attempt(target, input);
  console.log(outcome.kind === 'finding' ? outcome.why : outcome.signature);
  if (outcome.kind === 'finding') return 1;
  try {
    await target.judge?.(input);
    return 0;
  } catch (thrown) {
    console.log(thrown instanceof Error ? thrown.message : String(thrown));
    return 1;
  } finally {
    await stopJudging();
  }
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: { minutes: text, target: text, seed: text, replay: text, seeds: { type: 'boolean' } },
  });
  if (values.seeds === true) {
    await writeSeeds(corpus);
    return 0;
  }
  if (values.replay !== undefined) return replay(values.target, values.replay);
  const minutes = Number(values.minutes ?? '2');
  const seed = Number(values.seed ?? Date.now() % 0x1_0000_0000);
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('--minutes and --seed want numbers');
  const names = allTargets(corpus).map(({ name }) => name);
  const { target } = values;
  if (target !== undefined && !names.includes(target))
    throw new Error(`--target is one of ${names.join(', ')}`);
  console.log(`fuzzing ${target ?? `${names.length} targets`} for ${minutes} minutes with --seed ${seed}`);
  const report = await supervise({ seed, endsAt: Date.now() + minutes * 60_000, target });
  if (report === undefined) return 1;
  const { inputs, judged, found, crashes } = report;
  console.log(
    `${inputs} inputs, ${judged} of them judged by OpenSSH, ${found} added to the corpus, ${crashes.length} findings`,
  );
  return crashes.length === 0 ? 0 : 1;
}

if (isMainThread) process.exitCode = await main();
else await work();
