// Processes as scripts/demo.mjs needs them: run to the end, or started beside the steps; each wait with a deadline, each failure a
// reason for a person. Nothing of the caller's environment is passed on but PATH.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 15_000;
const END_MS = 4_000;

/** A reason for a person: no stack. */
export class Failed extends Error {}

export function check(truth, reason) {
  if (!truth) throw new Failed(reason);
}

/** Whether a process runs; one that has ended and that nobody has asked for (a zombie, in containers) does not. */
export function alive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

/** Sends each signal until the process has ended. */
export async function end(pid, ...signals) {
  for (const signal of signals) {
    if (alive(pid)) process.kill(pid, signal);
    const deadline = Date.now() + END_MS;
    while (alive(pid) && Date.now() < deadline) await sleep(5);
  }
  check(!alive(pid), `process ${pid} can't be ended`);
}

/** Processes that work in `dir`, with `base` as their environment. */
export function processes(dir, base) {
  const running = [];
  const settings = (extra, stdio) => ({ cwd: dir, env: { ...base, ...extra }, stdio });

  /** Runs a program to its end: exit code (null past the deadline or by a signal), stdout, stderr. */
  function run([program, ...args], extra = {}) {
    const child = spawn(program, args, {
      ...settings(extra, ['ignore', 'pipe', 'pipe']),
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
    });
    const result = { code: null, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      result.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      result.stderr += chunk;
    });
    return new Promise((done, failed) => {
      child.once('error', (error) => failed(new Failed(`${program} can't be started: ${error.message}`)));
      child.once('close', (code) => done({ ...result, code }));
    });
  }

  /** As run, and what it prints; fails where the exit code is not `code`. */
  async function must(argv, extra = {}, code = 0) {
    const result = await run(argv, extra);
    if (result.code === code) return result.stdout;
    const said = result.stderr.trim().split('\n').slice(-3).join(' / ') || 'it said nothing';
    throw new Failed(`${argv.join(' ')}: exit ${result.code ?? 'past the deadline'}: ${said}`);
  }

  /** Starts what runs on beside the steps, with its output in a file, and waits until `ready` says so. */
  async function start(name, [program, ...args], ready) {
    const file = join(dir, `${name}.out`);
    const output = openSync(file, 'w', 0o600);
    const child = spawn(program, args, { ...settings({}, ['ignore', output, output]), detached: true });
    closeSync(output);
    let ended = false;
    for (const event of ['error', 'exit']) {
      child.once(event, () => {
        ended = true;
      });
    }
    child.unref();
    if (child.pid !== undefined) running.push(child.pid);
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const printed = readFileSync(file, 'utf8');
      if (ready(printed)) return printed;
      const last = printed.trim().split('\n').at(-1);
      check(!ended, `${name} ended: ${last}`);
      check(Date.now() < deadline, `${name} is not ready after ${DEADLINE_MS / 1000} s: ${last}`);
      await sleep(20);
    }
  }

  return {
    run,
    must,
    start,
    /** Ids of what was started, the newest first. */
    pids: () => running.toReversed(),
    async endAll() {
      for (const pid of running.splice(0).reverse()) await end(pid, 'SIGTERM', 'SIGKILL');
    },
  };
}
