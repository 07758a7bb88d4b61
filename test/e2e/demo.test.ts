/** scripts/demo: its steps on the stand-in and on the real OpenBao, what it leaves, and how it fails. Installing is left out. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { NO_OPENBAO, openbaoBinary, openbaoMissing } from '../support/openbao.ts';
import { findProgram, type Result, run, start } from '../support/process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const DEMO = resolve('scripts/demo');
const STEPS = resolve('scripts/demo.mjs');
/** The goal is 30 s on an idle machine; tests share theirs. */
const DEADLINE_MS = 60_000;

const NAMES = [
  'lab',
  'agent',
  'login',
  'second login',
  'scp',
  'upstream key',
  'no lane',
  'access',
  'why',
  'kill -9',
  'audit verify',
];
const report = z.strictObject({
  ok: z.boolean(),
  steps: z.array(
    z.strictObject({ name: z.string(), ok: z.boolean(), ms: z.number(), error: z.string().optional() }),
  ),
});

function lastLine(result: Result): z.infer<typeof report> {
  return report.parse(JSON.parse(result.stdout.trimEnd().split('\n').at(-1) ?? ''));
}

let dir: TempDirectory;
beforeAll(() => {
  dir = tempDirectory('d-');
  mkdirSync(dir.join('home'), { mode: 0o700 });
  mkdirSync(dir.join('tmp'), { mode: 0o700 });
});
afterAll(() => dir.remove());

/** The steps in an environment whose home, temporary directory and agent show whether they were touched. */
function demo(...words: string[]): Promise<Result> {
  return run(process.execPath, [STEPS, ...words], {
    env: { HOME: dir.join('home'), TMPDIR: dir.join('tmp'), SSH_AUTH_SOCK: dir.join('nobody') },
    deadline: DEADLINE_MS,
  });
}

function expectUntouched(): void {
  expect(readdirSync(dir.join('home'))).toEqual([]);
  expect(readdirSync(dir.join('tmp'))).toEqual([]);
}

describe('every step', () => {
  const expectAll = (result: Result) => {
    expect(result.code, result.stderr).toBe(0);
    const { ok, steps } = lastLine(result);
    expect(ok).toBe(true);
    expect(steps.map(({ name }) => name)).toEqual([...NAMES, 'clean up']);
    expect(steps.filter((step) => !step.ok)).toEqual([]);
    expectUntouched();
  };

  test('on the stand-in', async () => {
    const result = await demo('--json');
    expectAll(result);
    expect(result.stdout.trimEnd().split('\n')).toHaveLength(1);
    // The story is on standard error then: the certificate as ssh-keygen -L shows it, and a tick for each step.
    expect(result.stderr).toMatch(/Type: ssh-ed25519-cert-v01@openssh\.com user certificate/);
    expect(result.stderr.match(/^✓ /gm)).toHaveLength(NAMES.length + 1);
  });

  test('on the real OpenBao', async ({ skip }) => {
    skip(openbaoMissing(), NO_OPENBAO);
    expectAll(await demo('--json', '--openbao', openbaoBinary() ?? ''));
  });
});

test('--keep leaves it running, as it says', async () => {
  const kept = await demo('--keep');
  expect(kept.code, kept.stdout).toBe(0);
  const shell = kept.stdout.match(/^ {2}(export .*\n {2}ssh .*)$/m)?.[1] ?? '';
  const end = kept.stdout.match(/^ {2}(kill .*; rm -rf .*)$/m)?.[1] ?? '';
  try {
    const login = await run('sh', ['-c', `${shell} 'echo in'; "$0" status`, LAUNCHER]);
    expect(login).toMatchObject({ code: 0, stderr: '' });
    expect(login.stdout).toMatch(/^in\n.*^mints +yes$/ms);
  } finally {
    await run('sh', ['-c', end]);
  }
  expectUntouched();
});

test('a step that fails ends it with a reason, in the report too, and all is cleaned up', async () => {
  const result = await demo('--json', '--openbao', dir.join('no-such-bao'));
  expect(result.code).toBe(1);
  const { ok, steps } = lastLine(result);
  expect(ok).toBe(false);
  expect(steps.map((step) => [step.name, step.ok])).toEqual([
    ['lab', false],
    ['clean up', true],
  ]);
  expect(steps[0]?.error).toMatch(/no-such-bao can't be started: ENOENT/);
  expect(result.stderr).toMatch(/^✗ .*\n {2}lab ended: warden: .*no-such-bao/m);
  expectUntouched();
});

test('Ctrl-C cleans up', async () => {
  const child = start(process.execPath, [STEPS], {
    env: { HOME: dir.join('home'), TMPDIR: dir.join('tmp') },
  });
  await child.waitFor('✓ ssh lab:', DEADLINE_MS);
  const [made = ''] = readdirSync(dir.join('tmp'));
  expect(statSync(dir.join('tmp', made)).mode & 0o077).toBe(0);
  process.kill(child.pid, 'SIGINT');
  expect((await child.ended).code).toBe(130);
  expect(existsSync(dir.join('tmp', made))).toBe(false);
});

test('the script says what is missing before it does anything', async () => {
  const bin = dir.join('bin');
  mkdirSync(bin);
  for (const name of ['sh', 'dirname', 'sed']) symlinkSync(findProgram(name) ?? name, `${bin}/${name}`);
  const without = (...words: string[]) => run(DEMO, words, { env: { PATH: bin } });
  const noNode = await without('--json');
  expect(noNode).toMatchObject({ code: 1, stdout: '{"ok":false,"steps":[]}\n' });
  expect(noNode.stderr).toMatch(/^scripts\/demo: Node 20\.19 or newer is needed[^\n]*\n$/);
  symlinkSync(process.execPath, `${bin}/node`);
  const noSsh = await without();
  expect(noSsh).toMatchObject({ code: 1, stdout: '' });
  expect(noSsh.stderr).toMatch(/^scripts\/demo: there is no ssh on PATH: [^\n]+\n$/);
  expect(await without('--bogus')).toMatchObject({ code: 64 });
  expect((await without('--help')).stdout).toContain('scripts/demo [--keep] [--openbao] [--json]');
});
