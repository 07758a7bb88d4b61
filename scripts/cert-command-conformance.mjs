// Holds a cert_command against contract 1.0: a shell string that prints one certificate and exits 0, or fails and leaves all as it was.
// Needs Node and ssh-keygen, nothing of warden: it can be copied to wherever the command runs.
// Left out: how a failure comes about. Where the environment alone can't make the command fail, --failing names one that must.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const USAGE = `Usage: cert-command-conformance [options] 'COMMAND'

Runs COMMAND through a shell about ten times, as ops-bridge does before each connection, and says for each of twenty checks whether it
holds. Exit status: 0 all hold, 1 one does not, 2 one could not be looked at, 64 wrong usage.

  --pubkey FILE      the public key that the certificate must be for
  --kept FILE        where the command keeps its certificate, if it does
  --failing COMMAND  the same command in a way that must fail (another role, a wrong address)
  --timeout SECONDS  how long one run may take; default 30
  --json             for a program

Examples:
  $ scripts/cert-command-conformance --pubkey k.pub --failing 'warden sign agt-nobody --pubkey k.pub' 'warden sign agt-x --pubkey k.pub'
  $ scripts/cert-command-conformance --pubkey k.pub 'bao write -field=signed_key ssh/sign/agt-role public_key=@k.pub'
`;
const MOST_HOURS = 48;
const STOP_MS = 5_000;
const TYPE =
  /^(ssh-(rsa|ed25519)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256))-cert-v01@openssh\.com /;
const SECRETS = /PRIVATE KEY|\bhv[sbr]\.[\w-]{20}|\b[sbr]\.(?=[\w-]*[A-Z])[\w-]{24}|\beyJ[\w-]{8,}\.[\w-]{8}/;

function usage(text, code) {
  (code === 0 ? process.stdout : process.stderr).write(text);
  process.exit(code);
}

function readFlags() {
  try {
    const options = {
      pubkey: { type: 'string' },
      kept: { type: 'string' },
      failing: { type: 'string' },
      timeout: { type: 'string', default: '30' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    };
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (values.help) usage(USAGE, 0);
    if (positionals.length !== 1 || !(Number(values.timeout) > 0)) throw new Error('one COMMAND, in quotes');
    return { ...values, command: positionals[0], timeoutMs: Number(values.timeout) * 1000 };
  } catch (error) {
    return usage(`cert-command-conformance: ${error.message} (--help)\n`, 64);
  }
}

const flags = readFlags();
const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));

/** Whether a process of the group lives; those that are dead and not waited for yet don't. */
function lives(group) {
  const rows = existsSync('/proc/self/stat')
    ? readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map((pid) => {
          try {
            const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
            const [state, , pgid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
            return [Number(pgid), state];
          } catch {
            return [0, 'Z'];
          }
        })
    : spawnSync('ps', ['-A', '-o', 'pgid=,stat='], { encoding: 'utf8' })
        .stdout.split('\n')
        .map((line) => line.trim().split(/\s+/))
        .map(([pgid, state = 'Z']) => [Number(pgid), state]);
  return rows.some(([pgid, state]) => pgid === group && !/^[ZX]/.test(state));
}

/** One run in a process group of its own, with nothing to read and no terminal. */
function run(command, { env = process.env, cwd = process.cwd(), killAfterMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], {
      env,
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].on('data', (bytes) => (out[name] += bytes));
    const kill = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // Gone already.
      }
    };
    let late = false;
    const timers = [
      setTimeout(() => {
        late = true;
        kill('SIGKILL');
      }, flags.timeoutMs),
    ];
    let signalled = 0;
    if (killAfterMs !== undefined)
      timers.push(
        setTimeout(() => {
          signalled = performance.now();
          kill('SIGTERM');
        }, killAfterMs),
      );
    child.once('close', (code) => {
      for (const timer of timers) clearTimeout(timer);
      const stopMs = signalled === 0 ? 0 : performance.now() - signalled;
      // Whoever is left in the group has been left behind.
      const left = lives(child.pid);
      kill('SIGKILL');
      resolve({ ...out, code, late, left, stopMs });
    });
  });
}

/** What ssh-keygen says of a certificate, or undefined. */
function describe(line) {
  const file = join(directory, 'seen-cert.pub');
  writeFileSync(file, line);
  const { status, stdout } = spawnSync('ssh-keygen', ['-Lf', file], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  });
  if (status !== 0) return undefined;
  const field = (pattern) => pattern.exec(stdout)?.[1];
  const [, from, to] = /Valid: from (\S+) to (\S+)/.exec(stdout) ?? [];
  return {
    user: /Type: \S+ user certificate/.test(stdout),
    key: field(/Public key: \S+ (SHA256:\S+)/),
    keyId: field(/Key ID: "(.*)"/),
    serial: field(/Serial: (\d+)/),
    from: Date.parse(`${from}Z`),
    to: Date.parse(`${to}Z`),
    principals: (field(/Principals: *\n((?: {16}\S.*\n)*)/) ?? '')
      .trim()
      .split(/\s+/)
      .filter((name) => name !== ''),
  };
}

const checks = [];
/** `holds`: true, false, or undefined where it could not be looked at. */
function check(name, holds, observed, todo = '') {
  const status = holds === undefined ? 'unknown' : holds ? 'pass' : 'fail';
  checks.push({ check_id: name, status, observed, remediation: holds ? '' : todo });
}
function without(name, why) {
  checks.push({ check_id: name, status: 'not_applicable', observed: why, remediation: '' });
}

const good = ({ code, stdout }) => code === 0 && TYPE.test(stdout) && describe(stdout) !== undefined;

function checkOutput(first) {
  const lines = first.stdout.split('\n').filter((line) => line !== '');
  const cert = describe(first.stdout);
  check(
    'exit.zero',
    first.code === 0,
    `exit status ${first.code}`,
    first.stderr.trim().split('\n').at(-1) ?? '',
  );
  check(
    'stdout.one_line',
    lines.length === 1,
    `${lines.length} lines on standard output`,
    'chatter belongs on standard error',
  );
  check(
    'stdout.type_first',
    TYPE.test(first.stdout),
    'the line begins with a certificate type',
    'print the certificate alone',
  );
  check('certificate.reads', cert !== undefined, 'ssh-keygen -L reads it');
  const now = Date.now();
  check('certificate.user', cert?.user, 'a user certificate');
  check(
    'certificate.valid_now',
    cert && cert.from <= now && now < cert.to,
    `valid until ${cert?.to ? new Date(cert.to).toISOString() : '?'}`,
  );
  check(
    'certificate.ends',
    cert && cert.to - cert.from <= (MOST_HOURS * 60 + 10) * 60_000,
    `ends within ${MOST_HOURS} h`,
    'ask for a TTL',
  );
  check(
    'certificate.principals',
    cert && cert.principals.length > 0,
    `principals: ${cert?.principals.join(', ') || 'none'}`,
    'without any it opens every login',
  );
  check(
    'certificate.key_id',
    cert && cert.keyId !== '',
    `key id ${JSON.stringify(cert?.keyId)}`,
    'sshd’s log has nothing else to tell whose it is',
  );
  if (flags.pubkey === undefined) without('certificate.for_key', 'no --pubkey');
  else {
    const print = spawnSync('ssh-keygen', ['-lf', flags.pubkey], { encoding: 'utf8' }).stdout.split(' ')[1];
    check(
      'certificate.for_key',
      cert && cert.key === print,
      `for the key ${print}`,
      'another key would not log in',
    );
  }
  return cert;
}

function checkBehaviour(first, second, cert) {
  const next = describe(second.stdout);
  check(
    'again.fresh',
    cert && next && next.serial !== cert.serial,
    'a second run gives another certificate',
    'the bridge refreshes before the end',
  );
  const runs = [first, second];
  check(
    'run.in_time',
    !runs.some(({ late }) => late),
    `ends within ${flags.timeoutMs / 1000} s with nothing to read and no terminal`,
    'it must never ask',
  );
  check('run.no_process_left', !runs.some(({ left }) => left), 'leaves no process behind');
  const values = Object.entries(process.env).filter(
    ([name, value]) => /TOKEN|SECRET|PASSW/.test(name) && value.length >= 8,
  );
  const text = runs.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  check(
    'output.no_secret',
    !SECRETS.test(text) && !values.some(([, value]) => text.includes(value)),
    'no token and no private key in its output',
    'callers log standard error',
  );
}

function checkKept() {
  if (flags.kept === undefined) return without('kept.private', 'no --kept');
  const found = existsSync(flags.kept) ? statSync(flags.kept) : undefined;
  const whole = found !== undefined && describe(readFileSync(flags.kept, 'utf8')) !== undefined;
  const mode = found === undefined ? 'missing' : (found.mode & 0o777).toString(8);
  check(
    'kept.private',
    whole && (found.mode & 0o077) === 0,
    `the kept certificate is whole, mode ${mode}`,
    'chmod 600',
  );
}

async function checkCircumstances() {
  const four = await Promise.all([1, 2, 3, 4].map(() => run(flags.command)));
  check(
    'four.at_once',
    four.every(good),
    `${four.filter(good).length} of four at once succeed`,
    'tunnels come back together',
  );
  const kept = ([name]) =>
    /^(PATH|HOME|USER|LOGNAME|XDG_RUNTIME_DIR|SSH_AUTH_SOCK|(WARDEN|BAO|VAULT)_.*)$/.test(name);
  const env = Object.fromEntries(Object.entries(process.env).filter(kept));
  const bare = await run(flags.command, { env, cwd: '/' });
  check(
    'bare.environment',
    good(bare),
    'works from / with a bare environment',
    bare.stderr.trim().split('\n').at(-1) || 'name files by their whole path',
  );
  const stopped = await run(flags.command, { killAfterMs: 20 });
  const after = await run(flags.command);
  check(
    'signal.term',
    stopped.stopMs < STOP_MS && !stopped.left && good(after),
    'SIGTERM ends it, and it works again afterwards',
  );
}

async function checkFailure() {
  const before =
    flags.kept !== undefined && existsSync(flags.kept) ? readFileSync(flags.kept, 'utf8') : undefined;
  const nowhere = 'http://127.0.0.1:9';
  const env = {
    ...process.env,
    BAO_ADDR: nowhere,
    VAULT_ADDR: nowhere,
    BAO_TOKEN: 'none',
    VAULT_TOKEN: 'none',
    BAO_MAX_RETRIES: '0',
    VAULT_MAX_RETRIES: '0',
  };
  const failed = flags.failing === undefined ? await run(flags.command, { env }) : await run(flags.failing);
  const todo = 'non-zero, a reason on standard error, no certificate on standard output';
  if (flags.failing === undefined && failed.code === 0) {
    check(
      'failure.says_why',
      undefined,
      'it did not fail without OpenBao',
      'name a command that must fail: --failing',
    );
    return without('failure.keeps_old', 'nothing failed');
  }
  const says = failed.code !== 0 && failed.stderr.trim() !== '' && !TYPE.test(failed.stdout) && !failed.late;
  check(
    'failure.says_why',
    says,
    `exit status ${failed.code}: ${failed.stderr.trim().split('\n').at(-1)}`,
    todo,
  );
  if (before === undefined) return without('failure.keeps_old', 'no --kept');
  const still = existsSync(flags.kept) && readFileSync(flags.kept, 'utf8') === before;
  check(
    'failure.keeps_old',
    still,
    'the certificate that was there stays',
    'replace it only when the new one is complete',
  );
}

const first = await run(flags.command);
// Serial numbers aside, a second certificate in the same second may be the same.
await sleep(1_000);
const second = await run(flags.command);
const cert = checkOutput(first);
checkBehaviour(first, second, cert);
checkKept();
await checkCircumstances();
await checkFailure();

const clean = (text) => text.replace(/\p{Cc}/gu, ' ');
if (flags.json) console.log(JSON.stringify(checks, null, 2));
else
  for (const { check_id, status, observed, remediation } of checks)
    console.log(
      clean(
        `${(status === 'not_applicable' ? 'n/a' : status).toUpperCase().padEnd(8)} ${check_id.padEnd(24)} ${observed}${remediation === '' ? '' : ` → ${remediation}`}`,
      ),
    );
process.exitCode = checks.some(({ status }) => status === 'fail')
  ? 1
  : checks.some(({ status }) => status === 'unknown')
    ? 2
    : 0;
