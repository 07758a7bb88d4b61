/**
 * The agent's own time from a list request to its answer with a fresh certificate, beside its parts: the same POST to OpenBao by a
 * bare keep-alive client, and fdatasync on the same disk, in turns. Then the first mint after a start, and what the check adds that
 * a bind is the caller's own (`direct_peers: ssh`), which a raw client can't pass: its functions, called on a real ssh.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { callerWords } from '../src/destination/caller-words.ts';
import { processInfo } from '../src/system/peer.ts';
import { sshArgv } from '../test/support/ssh.ts';
import { bareClient } from './bare-client.ts';
import { openDisk } from './disk.ts';
import { type RawParts, rawLogin, startRawParts, untilAccepting } from './parts.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { median, quantile } from './statistics.ts';

const ROUNDS = 400;
const WARM_UP = 50;
const STARTS = 10;
/** Let the record of the signature before, which nobody waits for, reach the disk. */
const PAUSE_MS = 5;

async function warmMints({ bao, warden, hostKey, directory }: RawParts) {
  const bare = bareClient(bao, 1);
  const disk = openDisk(directory.join('disk'));
  const mints: number[] = [];
  const posts: number[] = [];
  const syncs: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round += 1) {
    const mint = await rawLogin(warden.socket, hostKey);
    await sleep(PAUSE_MS);
    const post = await bare.post();
    await sleep(PAUSE_MS);
    const sync = disk.sync();
    await sleep(PAUSE_MS);
    if (round < 0) continue;
    mints.push(mint);
    posts.push(post);
    syncs.push(sync);
  }
  bare.close();
  disk.close();
  return { mints, posts, syncs };
}

/** The first mint after each of several starts, asked for `afterMs` after the socket took connections. */
async function firstMints({ warden, hostKey }: RawParts, afterMs: number): Promise<number[]> {
  const first: number[] = [];
  for (let i = 0; i < STARTS; i += 1) {
    await warden.stop();
    const started = warden.start();
    await untilAccepting(warden.socket);
    if (afterMs > 0) await sleep(afterMs);
    first.push(await rawLogin(warden.socket, hostKey));
    await started;
  }
  return first;
}

/** A real ssh that waits for a server's first word, so that its process can be looked at. */
async function withWaitingSsh<T>(use: (pid: number) => Promise<T>): Promise<T> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const [program = 'ssh', ...args] = sshArgv({ port });
  const child: ChildProcess = spawn(program, args, { stdio: 'ignore' });
  try {
    await sleep(100);
    return await use(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
    server.close();
  }
}

/** The peer's program and words, as agent/session/login.ts asks for them. */
async function directChecks(): Promise<number[]> {
  const times: number[] = [];
  await withWaitingSsh(async (pid) => {
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
      await sleep(1);
      const began = performance.now();
      const process = processInfo(pid);
      if (process === undefined) throw new Error('no ssh to look at');
      const context = { cwd: process.cwd ?? '/', home: homedir(), localUser: userInfo().username };
      const words = await callerWords(process.argv, context);
      if (words.candidates.length === 0) throw new Error('ssh said no host');
      if (round >= 0) times.push(performance.now() - began);
    }
  });
  return times;
}

async function run(): Promise<readonly Figure[]> {
  const parts = await startRawParts();
  try {
    const { mints, posts, syncs } = await warmMints(parts);
    const warm = median(mints);
    const [post, sync] = [median(posts), median(syncs)];
    const atOnce = await firstMints(parts, 0);
    const later = await firstMints(parts, 500);
    const direct = median(await directChecks());
    return [
      {
        name: 'list request to answer with a fresh certificate, p50',
        value: warm,
        unit: 'ms',
        atMost: post + 2 * sync + 1,
        beside: `POST ${digits(post)} + 2 × fdatasync ${digits(sync)} + 1 ms`,
      },
      {
        name: 'the same, p99',
        value: quantile(mints, 0.99),
        unit: 'ms',
        beside: `POST p99 ${digits(quantile(posts, 0.99))}, fdatasync p99 ${digits(quantile(syncs, 0.99))} ms`,
      },
      {
        name: 'first mint, 0.5 s after the socket is there',
        value: median(later) / warm,
        unit: '×',
        atMost: 2,
        beside: `${digits(median(later))} ms; a warm one ${digits(warm)} ms`,
      },
      {
        name: 'first mint, at the moment when the socket is there',
        value: median(atOnce) / warm,
        unit: '×',
        atMost: 2,
        beside: `${digits(median(atOnce))} ms; a warm one ${digits(warm)} ms`,
      },
      {
        name: "the peer's program and words (`direct_peers: ssh`), p50",
        value: direct,
        unit: 'ms',
        beside: `a warm mint ${digits(warm)} ms without it`,
      },
    ];
  } finally {
    await parts.remove();
  }
}

export const mintBench: Bench = {
  name: 'mint',
  about: 'list request to certificate, beside a bare POST to OpenBao and fdatasync',
  run,
};
