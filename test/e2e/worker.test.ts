/** The worker as people run it: the built commands, the shipped catalog, and the stand-in of the hub. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { type LabHub, type LabRequest, startLabHub } from '../../src/lab/hub.ts';
import { startLabHome } from '../support/lab.ts';
import { blocks, blocksOf } from '../support/pages.ts';
import { type Background, type Environment, type Result, run, start, until } from '../support/process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';
import { startModel } from '../support/worker.ts';

// Some run ten commands, on machines that do more than this.
vi.setConfig({ testTimeout: 90_000 });

let home: TempDirectory;
let hub: LabHub;
let after: (request: LabRequest) => Promise<'break' | undefined>;

beforeEach(async () => {
  after = async () => undefined;
  home = tempDirectory('wk-');
  mkdirSync(home.join('run'), { mode: 0o700 });
  hub = await startLabHub({ after: (request) => after(request) });
  configure();
});
afterEach(async () => {
  await hub.stop();
  home.remove();
});

const stateDir = () => home.join('state');

function configure(worker: Readonly<Record<string, unknown>> = {}): void {
  const yaml = { state_dir: stateDir(), worker: { hub_url: hub.url, ...worker } };
  home.write('warden.yaml', stringify(yaml));
}

function environment(extra: Environment = {}): Environment {
  return {
    HOME: home.path,
    XDG_RUNTIME_DIR: home.join('run'),
    WARDEN_CONFIG: home.join('warden.yaml'),
    ...extra,
  };
}

function worker(args: readonly string[], extra: Environment = {}, stdin = ''): Promise<Result> {
  return run(LAUNCHER, ['worker', ...args], { env: environment(extra), stdin });
}

const QUESTION = { subject: 'npm', body: 'How do I get the npm token to publish whynot-design?' };
const LANE = 'whynot-design-npm-publish';

function fill(): void {
  hub.put({ id: 'm1', from_agent: 'agt-a', thread_id: 't1', ...QUESTION });
  hub.put({ id: 'm2', from_agent: 'agt-b', subject: 'x', body: 'Please rotate the npm token.' });
}
const replies = () => hub.messages.filter(({ from_agent }) => from_agent === 'ops-warden');
const isRead = (id: string) => hub.messages.find((message) => message.id === id)?.read_at !== null;

test('from a dry run to a reply that a person approves', async () => {
  fill();
  const dry = await worker(['run']);
  expect(dry).toMatchObject({ code: 0, stderr: expect.stringContaining('a dry run') });
  expect(dry.stdout).toContain(`draft (lane ${LANE}); send it: warden worker approve m1`);
  expect(dry.stdout).toContain('| Next: run with secrets-engine: secrets-engine exec --catalog');
  expect(dry.stdout).toContain('m2 from agt-b: "x"\n  for a person: it wants something done');
  expect(existsSync(stateDir())).toBe(false);

  const executed = await worker(['run', '--execute', '--json']);
  expect(JSON.parse(executed.stdout)).toMatchObject({
    tier: 'conservative',
    brain: 'rule',
    messages: [
      { id: 'm1', from: 'agt-a', kind: 'answer', lane: LANE, sent: false },
      { id: 'm2', kind: 'escalate', why: 'it wants something done', sent: false },
    ],
  });
  expect([replies().length, hub.notes.length, isRead('m1')]).toEqual([0, 1, false]);

  const drafts = await worker(['drafts', '--json']);
  expect(JSON.parse(drafts.stdout)).toMatchObject([{ message_id: 'm1', lane: LANE }]);
  expect((await worker(['drafts'])).stdout).toMatch(/^m1 from agt-a, .*: "npm"\n {2}\| What serves this/);
  const status = await worker(['status', '--json']);
  expect(JSON.parse(status.stdout)).toMatchObject({
    enabled: true,
    drafts: 1,
    triaged: { answered: 0, drafted: 1, escalated: 1 },
  });

  expect(await worker(['approve', 'm1'])).toMatchObject({ code: 0, stdout: 'm1: sent, and marked read\n' });
  expect(replies()).toMatchObject([{ to_agent: 'agt-a', thread_id: 't1' }]);
  // Nothing of this machine is in it.
  expect(replies()[0]?.body).not.toContain(process.cwd());
  expect(isRead('m1')).toBe(true);
  expect(await worker(['approve', 'm1'])).toMatchObject({ code: 0, stdout: 'm1: was sent already\n' });
  expect(replies()).toHaveLength(1);
  expect((await worker(['drafts'])).stdout).toBe('no drafts\n');
  expect((await worker(['status'])).stdout).toContain('1 answered, 0 drafted, 1 for a person');
  expect((await run(LAUNCHER, ['audit', 'verify'], { env: environment() })).code).toBe(0);
});

test('docs/worker.md, word by word', async () => {
  fill();
  const path = `${dirname(LAUNCHER)}:${process.env['PATH'] ?? ''}`;
  const commands = blocks('docs/worker.md', 'worker:first');
  const result = await run('sh', ['-ec', commands], { env: environment({ PATH: path }), deadline: 30_000 });
  expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('m1: sent, and marked read') });
  for (const { language, text } of blocksOf('docs/worker.md')) {
    if (language !== 'yaml') continue;
    home.write('warden.yaml', text);
    expect(await worker(['status'])).toMatchObject({ code: 0, stderr: '' });
  }
});

test('in the lab, where two messages wait', async () => {
  const lab = await startLabHome();
  const dry = await lab.cli(['worker', 'run']);
  const ran = await lab.cli(['worker', 'run', '--execute', '--full-auto']);
  const view = await lab.cli(['activity', '--kind', 'worker', '--json']);
  await lab.remove();
  expect(dry.stdout).toContain('2 new: 0 answered, 1 drafted, 1 for a person');
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('1 answered, 0 drafted, 1 for') });
  expect(JSON.parse(view.stdout)).toHaveLength(7);
});

test('with other words from standard input', async () => {
  fill();
  await worker(['run', '--execute']);
  expect((await worker(['approve', 'm1', '--body', '-'], {}, 'Ask railiance.\n')).code).toBe(0);
  expect(replies()[0]?.body).toMatch(/^Ask railiance\.\n\n-- the worker of ops-warden/);
});

test('full-auto sends the catalog’s answer and marks the message read', async () => {
  fill();
  const { stdout, code } = await worker(['run', '--execute', '--full-auto']);
  expect(code).toBe(0);
  expect(stdout).toContain(`answered: lane ${LANE}`);
  expect(stdout).toContain('2 new: 1 answered, 0 drafted, 1 for a person');
  expect([replies().length, isRead('m1'), isRead('m2')]).toEqual([1, true, false]);
});

test('a model decides where it is asked for', async () => {
  const model = await startModel(
    () => `{"actions": [{"kind": "route_answer", "payload": {"lane": "${LANE}"}}]}`,
  );
  fill();
  expect((await worker(['run', '--brain', 'llm'])).code).toBe(78);
  configure({ brain: 'llm', llm: { url: model.url, key_env: 'MY_KEY' } });
  const { stdout } = await worker(['run', '--json'], { MY_KEY: 'abc' });
  await model.stop();
  expect(JSON.parse(stdout)).toMatchObject({ brain: 'llm', messages: [{ kind: 'answer', lane: LANE }, {}] });
  expect(model.asked[0]?.authorization).toBe('Bearer abc');
});

test('killed while the hub has the reply and has not answered: not sent again', async () => {
  fill();
  let child: Background | undefined;
  after = async ({ method, path }) => {
    if (method !== 'POST' || path !== '/messages/' || child === undefined) return undefined;
    child.signal('SIGKILL');
    await child.ended;
    child = undefined;
    return 'break';
  };
  child = start(LAUNCHER, ['worker', 'run', '--execute', '--full-auto'], { env: environment() });
  expect((await child.ended).signal).toBe('SIGKILL');
  expect([replies().length, isRead('m1')]).toEqual([1, false]);
  for (let i = 0; i < 2; i += 1) expect((await worker(['run', '--execute', '--full-auto'])).code).toBe(0);
  expect([replies().length, isRead('m1')]).toEqual([1, true]);
  expect((await worker(['drafts'])).stdout).toBe('no drafts\n');
});

test('two at once: one of them waits its turn or says so, and each message is answered once', async () => {
  for (let i = 0; i < 20; i += 1) hub.put({ id: `m${i}`, from_agent: `agt-${i}`, ...QUESTION });
  const both = await Promise.all([0, 1].map(() => worker(['run', '--execute', '--full-auto'])));
  for (const { code } of both) expect([0, 75]).toContain(code);
  expect(replies()).toHaveLength(20);
});

test.each([
  [['run', '--full-auto'], 64],
  [['run', '--dry-run', '--execute'], 64],
  [['run', '--brain', 'oracle'], 64],
  [['approve', 'm9'], 64],
  [['approve'], 64],
])('%j ends with %i', async (args, code) => {
  const result = await worker(args);
  expect(result.code).toBe(code);
  expect(result.stderr).toMatch(/^warden: .*\n$/);
});

test('a hub that is away is exit 69; a worker that is switched off does nothing', async () => {
  fill();
  const off = await worker(['run', '--execute', '--full-auto'], { WORKER_ENABLED: '0' });
  expect(off).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('switched off') });
  expect([replies().length, existsSync(stateDir())]).toEqual([0, false]);
  configure({ hub_url: 'http://127.0.0.1:9' });
  expect((await worker(['run'])).code).toBe(69);
});

test.each([
  ['plain http to elsewhere', { hub_url: 'http://hub.example.com' }, 'whoever is between'],
  ['no address', { hub_url: 'hub' }, 'is not an address'],
  ['a model without an address', { brain: 'llm' }, 'wants a model'],
  ['OpenAI without a name', { llm: { url: 'http://127.0.0.1:1', dialect: 'openai' } }, 'name of a model'],
  ['an unknown key', { hub: 'x' }, 'hub'],
  ['a check without a command', { checks: [{ name: 'a', command: [] }] }, 'must not be empty'],
])('a configuration with %s is refused with its place', async (_, block, message) => {
  configure(block);
  const { code, stderr } = await worker(['run']);
  expect({ code, stderr }).toMatchObject({ code: 78, stderr: expect.stringContaining(message) });
  expect(stderr).toMatch(/warden\.yaml:\d+: worker/);
});

describe('a tick', () => {
  const checks = [
    { name: 'good', command: ['sh', '-c', 'echo looking; echo all is well'], every: '1h' },
    { name: 'finding', command: ['sh', '-c', 'echo first; echo second; exit 1'], every: '1h' },
    { name: 'failing', command: ['sh', '-c', 'echo no such host >&2; exit 2'], every: '1h' },
    { name: 'missing', command: ['/nonexistent/program'], every: '1h' },
    { name: 'leaking', command: ['sh', '-c', `echo hvs.${'aB3'.repeat(10)}`], every: '1h' },
    { name: 'environment', command: ['sh', '-c', 'echo $MY_KEY-$BAO_ADDR'], every: '1h' },
    { name: 'own', command: ['warden', 'route', 'list', '--stale'], every: '1h' },
  ];

  test('looks at the messages, runs what is due, and says what each found', async () => {
    fill();
    configure({ tier: 'full-auto', checks });
    const env = { MY_KEY: 'abc', BAO_ADDR: 'http://127.0.0.1:8200' };
    const first = await worker(['tick'], env);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout.split('\n')).toEqual([
      'messages: 2 new: 1 answered, 0 drafted, 1 for a person',
      'good: good: all is well',
      'finding: finding: first (and 1 more)',
      'failing: failed: exit 2: no such host',
      'missing: failed: did not end: ENOENT',
      'leaking: good: (not shown: it looks like a secret)',
      'environment: good: -http://127.0.0.1:8200',
      'own: good: no entries',
      '',
    ]);
    const trail = readFileSync(join(stateDir(), 'audit', 'trail.jsonl'), 'utf8');
    expect(trail).toContain('"code":"W4005W"');
    expect(trail).toContain('first (and 1 more)');

    // Nothing of it is due again.
    expect((await worker(['tick'], env)).stdout).toBe(
      'messages: 0 new: 0 answered, 0 drafted, 0 for a person\n',
    );
  });

  test('finds routes that nobody has reviewed, by the command of docs/worker.md', async () => {
    const page = blocksOf('docs/worker.md').find(({ text }) => text.includes('stale-routes'))?.text ?? '';
    const config: { worker: { checks: { name: string }[] } } = parse(page);
    configure({ checks: config.worker.checks.filter(({ name }) => name === 'stale-routes') });
    const path = `${dirname(LAUNCHER)}:${process.env['PATH'] ?? ''}`;
    const env = { PATH: path, WARDEN_CATALOG_PATH: home.join('catalog.yaml') };
    const entry = { id: 'old', title: 'x', need_keywords: ['x'], owner_repo: 'x', status: 'active' };
    const write = (reviewed: string) =>
      home.write('catalog.yaml', stringify({ entries: [{ ...entry, reviewed, wiki_ref: 'https://x/' }] }));
    write('2020-01-01');
    expect((await worker(['tick'], env)).stdout).toMatch(/^stale-routes: finding: old /m);
    write(new Date().toISOString().slice(0, 10));
    rmSync(join(stateDir(), 'worker-checks.json'));
    expect((await worker(['tick'], env)).stdout).toMatch(/^stale-routes: good: /m);
  });

  test('leaves the messages where the hub is down, and still runs the checks', async () => {
    configure({ hub_url: 'http://127.0.0.1:9', checks: checks.slice(0, 1) });
    expect(await worker(['tick'])).toMatchObject({
      code: 0,
      stdout: 'messages: skipped: the hub at http://127.0.0.1:9 is down\ngood: good: all is well\n',
    });
  });

  test('never fails: not when it is switched off, misconfigured, or when the work fails', async () => {
    fill();
    expect(await worker(['tick'], { WORKER_ENABLED: 'false' })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('switched off'),
    });
    expect(replies()).toEqual([]);
    home.write('warden.yaml', 'worker: 7\n');
    expect(await worker(['tick'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^worker: failed: .*config_invalid/),
    });
    configure();
    mkdirSync(stateDir(), { mode: 0o700 });
    home.write('state/worker-seen.jsonl', 'garbage\n');
    expect(await worker(['tick'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^messages: failed: .*malformed/),
    });
  });

  test('a check that hangs is one tick’s: the next does not wait for it', async () => {
    configure({ checks: [{ name: 'slow', command: ['sh', '-c', 'touch "$HOME/begun"; sleep 30'] }] });
    const slow = start(LAUNCHER, ['worker', 'tick'], { env: environment() });
    await until('the check has begun', () => existsSync(home.join('begun')));
    expect(await worker(['tick'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('checks: failed: another process runs the checks'),
    });
    await slow.stop();
  });
});

test('warden activity --hub: messages are rows, to and from the worker, nothing of them steers a terminal or shows a secret', async () => {
  fill();
  hub.put({ id: 'm3', from_agent: 'agt-c', subject: '\u001b[2Jgone', body: 'x' });
  hub.put({ id: 'm4', from_agent: 'agt-c', subject: `token hvs.${'A1b2'.repeat(10)}`, body: 'x' });
  hub.put({ id: 'm5', from_agent: 'agt-c', to_agent: 'agt-d', subject: 'of others', body: 'x' });
  await worker(['run', '--execute', '--full-auto']);
  const activity = (...args: readonly string[]) =>
    run(LAUNCHER, ['activity', '--hub', '--kind', 'hub', ...args], { env: environment() });
  const { stdout, stderr, code } = await activity('--format', 'jsonl');
  expect([code, stderr]).toEqual([0, expect.stringContaining(`hub ${hub.url} (unverified)`)]);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  expect(rows).toHaveLength(hub.messages.length - 1);
  expect(rows).toContainEqual(
    expect.objectContaining({ kind: 'hub', actor: 'agt-a', message: 'to ops-warden: npm' }),
  );
  expect(rows).toContainEqual(
    expect.objectContaining({ actor: 'ops-warden', message: expect.stringMatching(/^to agt-a: /) }),
  );
  expect(stdout).not.toContain('hvs.');
  const table = await activity();
  expect(table.stdout).toContain('agt-a');
  expect(table.stdout).not.toContain('\u001b');
  await hub.stop();
  const down = await activity();
  expect([down.code, down.stdout]).toEqual([69, '']);
  expect(down.stderr).toMatch(/^warden: the hub at \S+ [^\n]+\n$/);
});
