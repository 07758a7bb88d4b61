/**
 * `warden policy`: the gate in front of every certificate: is it on, is it right, on, off, and the way through when it is broken; and the
 * posture that secrets are judged by.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import type { Config, PolicyConfig } from '../config/config.ts';
import { parseDuration } from '../config/duration.ts';
import { shippedCatalog } from '../config/package-paths.ts';
import { setSwitch } from '../config/set-in-file.ts';
import { requestReload } from '../control/client.ts';
import { asWardenError, WardenError } from '../errors.ts';
import {
  declareBreakGlass,
  endBreakGlass,
  MAX_BREAK_GLASS_MS,
  readBreakGlass,
} from '../policy/break-glass.ts';
import { type CaseResult, passed, putCases, readCases } from '../policy/cases.ts';
import { decisionPoint } from '../policy/decision-point.ts';
import { registryOf } from '../policy/registry.ts';
import { systemClock } from '../system/clock.ts';
import { ensurePrivateDirectory } from '../system/directories.ts';
import { auditKey, readAuditKey } from '../trail/audit-key.ts';
import { signEvidence } from '../trail/evidence.ts';
import type { RecordInput } from '../trail/record.ts';
import { Trail } from '../trail/trail.ts';
import { verifyTrail } from '../trail/verify.ts';
import { putFile } from './certificate-for-file.ts';
import { configOf } from './configuration.ts';
import { action, type CommonFlags, note, pathInput, print, printJson } from './context.ts';
import { daemonSockets } from './daemon-sockets.ts';
import { postureOfPolicy } from './policy-posture.ts';

interface Flags extends CommonFlags {
  readonly json?: boolean;
}

interface CaseFlags extends Flags {
  readonly cases?: string;
  readonly out?: string;
}

function policyOf({ policy, file }: Config): PolicyConfig {
  if (policy !== undefined) return policy;
  throw new WardenError('config_invalid', `${file ?? 'the configuration'} names no gate`, {
    hint: 'write policy: { engine: opa, url: http://127.0.0.1:8181 }; docs/policy.md',
  });
}

async function resultsOf(config: Config, flags: CaseFlags): Promise<readonly CaseResult[]> {
  const point = decisionPoint(policyOf(config));
  const shipped = join(shippedCatalog(), 'policy', 'cases.yaml');
  const cases =
    flags.cases === undefined ? readCases(shipped, undefined) : readCases(flags.cases, pathInput(flags).uid);
  try {
    return await putCases(point, cases, config);
  } finally {
    point.close();
  }
}

function renderResult(result: CaseResult): string {
  const { name, expect, got, reason } = result;
  const why = reason === null ? '' : ` (${reason})`;
  return passed(result) ? `ok   ${name}: ${got}${why}` : `FAIL ${name}: ${got}, and should ${expect}${why}`;
}

function show(results: readonly CaseResult[], flags: Flags): boolean {
  const good = results.length > 0 && results.every(passed);
  if (flags.json === true) printJson({ good, cases: results });
  else {
    for (const result of results) print(renderResult(result));
    const wrong = results.filter((result) => !passed(result)).length;
    print(results.length === 0 ? 'there is no lane to ask about' : `${results.length} cases, ${wrong} wrong`);
  }
  return good;
}

/** One record of the trail, by a command. */
async function record(stateDir: string, input: Omit<RecordInput, 'phase'>): Promise<void> {
  ensurePrivateDirectory(stateDir);
  const trail = new Trail(join(stateDir, 'audit'), { clock: systemClock });
  try {
    await trail.append({ ...input, phase: 'single' });
  } finally {
    await trail.close();
  }
}

function caller(flags: CommonFlags): Pick<RecordInput, 'caller'> {
  return { caller: { uid: pathInput(flags).uid, pid: process.pid, exe: process.execPath } };
}

/** Has the running agent read its configuration again; without one, the next reads it anyway. */
async function reload(flags: CommonFlags): Promise<void> {
  try {
    const { problems } = await requestReload(daemonSockets(flags));
    for (const problem of problems) note(problem);
    if (problems.length === 0) note('the running agent has read it');
  } catch (thrown) {
    if (asWardenError(thrown).code !== 'not_running') throw thrown;
    note('no agent is running; the next one reads it');
  }
}

async function turn(on: boolean, flags: CommonFlags): Promise<void> {
  const { file, stateDir } = configOf(flags);
  if (file === undefined)
    throw new WardenError('config_missing', 'there is no warden.yaml', { hint: 'warden init writes one' });
  setSwitch(file, pathInput(flags).uid, 'policy', 'enabled', on);
  configOf(flags);
  await record(stateDir, {
    event: 'policy.changed',
    outcome: 'ok',
    ...caller(flags),
    message: on ? 'the gate was switched on; its cases are right' : 'the gate was switched off',
  });
  note(`${file}: policy.enabled: ${on}`);
  await reload(flags);
}

async function check(flags: CaseFlags): Promise<void> {
  if (!show(await resultsOf(configOf(flags), flags), flags)) process.exitCode = 1;
}

async function enable(flags: CaseFlags): Promise<void> {
  const results = await resultsOf(configOf(flags), flags);
  if (!show(results, flags)) {
    note('warden: the gate stays as it is: not every case is right');
    process.exitCode = 1;
    return;
  }
  await turn(true, flags);
}

async function smoke(flags: CaseFlags): Promise<void> {
  const config = configOf(flags);
  const { stateDir } = config;
  const policy = policyOf(config);
  const results = await resultsOf(config, flags);
  const message = `the gate was put to its cases: ${results.filter(passed).length} of ${results.length} right`;
  const good = results.length > 0 && results.every(passed);
  const outcome = good ? 'ok' : 'error';
  await record(stateDir, { event: 'policy.changed', outcome, ...caller(flags), message });
  const verified = await verifyTrail(join(stateDir, 'audit'), { key: readAuditKey(stateDir) });
  const evidence = {
    v: 1 as const,
    kind: 'policy-smoke' as const,
    date: new Date().toISOString(),
    operator: userInfo().username,
    engine: policy.engine,
    url: policy.url,
    enabled: policy.enabled,
    fail_closed: policy.failClosed,
    good,
    cases: results,
    trail_head: verified.head,
  };
  const signed = signEvidence(evidence, auditKey(stateDir));
  if (flags.out === undefined) process.stdout.write(signed);
  else putFile(flags.out, signed);
  if (!good) process.exitCode = 1;
}

function parseTime(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0 || ms > MAX_BREAK_GLASS_MS)
    throw new InvalidArgumentError('a time up to 4h, such as 30m');
  return ms;
}

async function breakGlass(flags: Flags & { for?: number; reason?: string; end?: boolean }): Promise<void> {
  const { stateDir } = configOf(flags);
  const now = Date.now();
  if (flags.end === true) {
    const glass = readBreakGlass(stateDir, now);
    endBreakGlass(stateDir);
    if (glass !== undefined)
      await record(stateDir, {
        event: 'policy.break_glass',
        outcome: 'ok',
        ...caller(flags),
        policy: { allow: false, break_glass: glass.reason },
        message: 'ended before its time',
      });
    print(glass === undefined ? 'none was declared' : 'the gate is asked again');
    return;
  }
  if (flags.for === undefined || flags.reason === undefined)
    throw new WardenError('usage', 'for how long, and why?', {
      hint: 'warden policy break-glass --for 30m --reason "the gate is down, INC-7"',
    });
  const until = now + flags.for;
  const end = new Date(until).toISOString();
  // First the record: no certificate without the gate before somebody can read why.
  await record(stateDir, {
    event: 'policy.break_glass',
    outcome: 'ok',
    ...caller(flags),
    policy: { allow: true, break_glass: flags.reason },
    message: `until ${end}, by ${userInfo().username}`,
  });
  declareBreakGlass(stateDir, { from: now, until, reason: flags.reason });
  print(`until ${end} certificates are made without the gate, and every record says so`);
  note('end it sooner: warden policy break-glass --end');
}

function status(flags: Flags): void {
  const { policy, stateDir, origin } = configOf(flags);
  const glass = readBreakGlass(stateDir, Date.now());
  const until = glass === undefined ? null : new Date(glass.until).toISOString();
  const { engine = null, url = null, failClosed = null } = policy ?? {};
  const enabled = policy?.enabled === true;
  if (flags.json === true) {
    const break_glass = glass === undefined ? null : { reason: glass.reason, until };
    printJson({ enabled, engine, url, fail_closed: failClosed, break_glass });
    return;
  }
  if (policy === undefined) print('no gate is configured: docs/policy.md');
  else {
    print(`the gate is ${enabled ? 'on' : 'off'}: ${engine} at ${url} (${origin.get('policy.url')})`);
    print(failClosed === true ? 'no answer is a denial' : 'no answer lets through (fail_closed: false)');
  }
  if (glass !== undefined) print(`break-glass until ${until}: ${glass.reason}`);
}

function withCases(command: Command): Command {
  return command
    .option('--cases <file>', 'another table of cases than the shipped one (catalog/policy/cases.yaml)')
    .option('--config <file>', 'the configuration: warden.yaml');
}

export function policyCommand(command: Command): void {
  command
    .command('status')
    .description('is the gate on, which one is it, does a break-glass last')
    .option('--config <file>', 'the configuration: warden.yaml')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden policy status --json')
    .action(action(async (flags: Flags) => status(flags)));
  withCases(command.command('check'))
    .description('put the table of cases to the gate; exit 1 where an answer is wrong')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden policy check')
    .action(action(check));
  withCases(command.command('enable'))
    .description('switch the gate on, if it allows what it must and denies what it must')
    .option('--json', 'for a program')
    .addHelpText('after', '\nExample:\n  $ warden policy enable')
    .action(action(enable));
  command
    .command('disable')
    .description('switch the gate off; the trail says who did')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText('after', '\nExample:\n  $ warden policy disable')
    .action(action((flags: CommonFlags) => turn(false, flags)));
  withCases(command.command('smoke'))
    .description('put the cases to the gate and write a signed record of its answers')
    .option('--out <file>', 'where to; default: standard output')
    .addHelpText('after', '\nExample:\n  $ warden policy smoke --out gate.note')
    .action(action(smoke));
  command
    .command('break-glass')
    .description('make certificates without the gate for a while; each record says so')
    .option('--for <time>', 'how long, at most 4h', parseTime)
    .option('--reason <text>', 'why; it stands in every record')
    .option('--end', 'ask the gate again from now on')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText(
      'after',
      '\nExample:\n  $ warden policy break-glass --for 30m --reason "the gate is down, INC-7"',
    )
    .action(action(breakGlass));
  command
    .command('registry')
    .description('print the actors as data for the decision point')
    .option('--config <file>', 'the configuration: warden.yaml')
    .addHelpText('after', '\nExample:\n  $ warden policy registry > actors.json')
    .action(action(async (flags: CommonFlags) => printJson(registryOf(configOf(flags).actors))));
  postureOfPolicy(command);
}
