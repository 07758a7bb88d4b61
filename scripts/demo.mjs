// The steps of scripts/demo, with the system's own ssh, scp, ssh-add and ssh-keygen and this package's commands as a person types them.
//   node scripts/demo.mjs [--keep] [--json] [--openbao PROGRAM]      (after npm run build)
// Everything is in one temporary directory, HOME included; ssh is given a configuration of its own (-F), since it takes the home
// directory from the password database. Left out: installing and building, which is scripts/demo's part.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check, end, Failed, processes } from './demo-processes.mjs';

const WARDEN = resolve(fileURLToPath(import.meta.url), '../warden');
const { values: flags } = parseArgs({
  options: { keep: { type: 'boolean' }, json: { type: 'boolean' }, openbao: { type: 'string' } },
});

// A socket's path may have 107 bytes: a long TMPDIR leaves too few.
const dir = mkdtempSync(join(tmpdir().length > 60 ? '/tmp' : tmpdir(), 'warden-demo-'));
const lab = join(dir, 'lab');
const sshConfig = join(lab, 'ssh_config');
const userAgent = join(dir, 'user-agent.sock');
const home = join(dir, 'home');
mkdirSync(home, { mode: 0o700 });
const env = { PATH: process.env.PATH, HOME: home, LC_ALL: 'C.UTF-8', TMPDIR: dir };

// With --json standard output is the program's, and the story goes to standard error.
const out = flags.json ? process.stderr : process.stdout;
const coloured = out.isTTY && !process.env.NO_COLOR;
const colour = (code, text) => (coloured ? `\x1b[${code}m${text}\x1b[0m` : text);
const say = (text = '') => out.write(`${text}\n`);
const show = (text) => {
  for (const line of text.trimEnd().split('\n')) say(colour(2, `      ${line}`));
};

const { run, must, start, pids, endAll } = processes(dir, env);

/** `NAME='value'` of what was printed to be evaluated by a shell. */
function exported(text, name) {
  const value = new RegExp(`\\b${name}='([^']*)'`).exec(text)?.[1];
  check(value !== undefined, `no ${name} in: ${text.trim()}`);
  return value;
}

let config;
let socket;
/** Serials of the certificates that the server was shown. */
const seen = [];
const warden = (...args) => must([WARDEN, ...args], { WARDEN_CONFIG: config });
const session = (host, ...words) => ['ssh', '-F', sshConfig, host, ...words];
const withAgent = () => ({ SSH_AUTH_SOCK: socket });
const issuances = async () => JSON.parse(await warden('activity', '--kind', 'sign', '--json'));

/** What the server has let in, as sshd tells with ExposeAuthInfo: the remote command reads it there. */
const READ_AUTH = `cut -d' ' -f2- "$SSH_USER_AUTH"`;

/** Logs in by `argv` and returns the certificate in the form of `ssh-keygen -L`. */
async function certificateOf(argv, extra) {
  const text = await must([...argv, `${READ_AUTH} | ssh-keygen -L -f -`], extra);
  check(text.includes('user certificate'), `the server was shown no certificate: ${text}`);
  const serial = /Serial: (\d+)/.exec(text)?.[1];
  check(serial !== undefined && !seen.includes(serial), `the certificate ${serial} is not a new one`);
  seen.push(serial);
  return text.replace(/^\(stdin\):1:\n/, '').replaceAll(/^ {8}/gm, '');
}

async function startAgent() {
  socket = exported(
    await must([WARDEN, 'agent', '--background'], { WARDEN_CONFIG: config, SSH_AUTH_SOCK: userAgent }),
    'SSH_AUTH_SOCK',
  );
}

/** The daemon's process, from the file that it writes beside its socket; undefined where none has run. */
function agentPid() {
  try {
    return Number(readFileSync(join(lab, 'run', 'agent.pid'), 'utf8').split('\n')[0]) || undefined;
  } catch {
    return undefined;
  }
}

async function cleanUp() {
  const pid = agentPid();
  if (pid !== undefined) await end(pid, 'SIGTERM', 'SIGKILL');
  await endAll();
  rmSync(dir, { recursive: true, force: true });
}

const steps = [
  [
    flags.openbao === undefined
      ? 'the lab: an OpenBao stand-in, two SSH servers'
      : 'the lab: a real OpenBao, two SSH servers',
    'lab',
    async () => {
      const real = flags.openbao === undefined ? [] : ['--openbao', flags.openbao];
      const argv = [WARDEN, 'lab', '--dir', lab, ...real];
      const printed = await start('lab', argv, (text) => text.includes(': ready'));
      config = exported(printed, 'WARDEN_CONFIG');
    },
  ],
  [
    'an ssh-agent with a key of yours, and warden in front of it',
    'agent',
    async () => {
      await start('ssh-agent', ['ssh-agent', '-D', '-a', userAgent], (text) =>
        text.includes('SSH_AUTH_SOCK'),
      );
      await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'yours', '-f', join(home, 'key')]);
      await must(['ssh-add', '-q', join(home, 'key')], { SSH_AUTH_SOCK: userAgent });
      await startAgent();
    },
  ],
  [
    'ssh lab: a certificate that did not exist a moment ago',
    'login',
    async () => certificateOf(session('lab'), withAgent()),
  ],
  [
    'ssh lab: the second login has another one',
    'second login',
    async () => {
      await certificateOf(session('lab'), withAgent());
      return seen.map((serial) => `serial ${serial}`).join('\n');
    },
  ],
  [
    'scp: a file goes there and comes back',
    'scp',
    async () => {
      const text = `copied ${new Date().toISOString()}\n`;
      writeFileSync(join(dir, 'there'), text);
      await must(['scp', '-q', '-F', sshConfig, 'there', 'lab:copy'], withAgent());
      await must(['scp', '-q', '-F', sshConfig, 'lab:copy', 'back'], withAgent());
      check(readFileSync(join(dir, 'back'), 'utf8') === text, 'what came back is not what went there');
    },
  ],
  [
    'ssh other: your own key behind warden still logs in',
    'upstream key',
    async () => {
      const key = readFileSync(join(home, 'key.pub'), 'utf8');
      writeFileSync(join(lab, 'authorized_keys'), key);
      const shown = await must(session('other', READ_AUTH), withAgent());
      writeFileSync(join(lab, 'authorized_keys'), '');
      check(
        key.startsWith(shown.trim()) && shown.startsWith('ssh-ed25519 '),
        `the server was shown: ${shown}`,
      );
    },
  ],
  [
    'ssh other, where that key may not log in either: no lane, no certificate',
    'no lane',
    async () => {
      const before = (await issuances()).length;
      const result = await run(session('other', 'true'), withAgent());
      check(
        result.code === 255 && result.stderr.includes('Permission denied'),
        `exit ${result.code}: ${result.stderr}`,
      );
      check((await issuances()).length === before, 'a certificate was made');
      return result.stderr;
    },
  ],
  [
    'warden access lab: exactly ssh, with no SSH_AUTH_SOCK set',
    'access',
    async () => {
      const access = [WARDEN, 'access', '-F', sshConfig, 'lab'];
      await certificateOf(access, { WARDEN_CONFIG: config });
      const said = await must([...access, 'echo "exit status 7:"; exit 7'], { WARDEN_CONFIG: config }, 7);
      return `${said.trim()} passed on`;
    },
  ],
  [
    'warden why other',
    'why',
    async () => {
      const text = await warden('why', 'other');
      check(text.includes('no_lane'), `no reason in: ${text}`);
      return text;
    },
  ],
  [
    'kill -9 the agent, start it again: nothing is lost',
    'kill -9',
    async () => {
      const before = await issuances();
      const { pid } = JSON.parse(await warden('status', '--json'));
      await end(pid, 'SIGKILL');
      await startAgent();
      await certificateOf(session('lab'), withAgent());
      const serials = (await issuances()).map(({ cert }) => cert?.serial);
      check(
        serials.length === before.length + 1,
        `${serials.length} issuances after it, ${before.length} before`,
      );
      const lost = seen.filter((serial) => !serials.includes(serial));
      check(lost.length === 0, `not in the trail: ${lost.join(', ')}`);
      return `certificates in the trail: ${before.length} before, ${serials.length} now, each that a server saw`;
    },
  ],
  ['warden audit verify', 'audit verify', async () => warden('audit', 'verify')],
];

const report = [];
let interrupted = false;
/** Never comes back once the demo is interrupted: whoever has interrupted it cleans up and ends it. */
const unlessInterrupted = () => (interrupted ? new Promise(() => {}) : undefined);

async function step(title, name, action) {
  const started = performance.now();
  const ms = () => Math.round(performance.now() - started);
  try {
    const shown = await action();
    await unlessInterrupted();
    report.push({ name, ok: true, ms: ms() });
    say(`${colour(32, '✓')} ${title.padEnd(76)}${colour(2, `${String(ms()).padStart(5)} ms`)}`);
    if (typeof shown === 'string' && shown !== '') show(shown);
    return true;
  } catch (error) {
    await unlessInterrupted();
    const reason = error instanceof Failed ? error.message : String(error?.stack ?? error);
    report.push({ name, ok: false, ms: ms(), error: reason });
    say(`${colour(31, '✗')} ${title}`);
    say(`  ${reason.trim()}`);
    return false;
  }
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.once(signal, () => {
    interrupted = true;
    void cleanUp().finally(() => process.exit(code));
  });
}

const begun = performance.now();
say();
let ok = true;
for (const [title, name, action] of steps) {
  ok = await step(title, name, action);
  if (!ok) break;
}
if (!flags.keep) ok = (await step('cleaned up: no process, no file is left', 'clean up', cleanUp)) && ok;
say();
if (ok) say(`All of it worked, in ${((performance.now() - begun) / 1000).toFixed(1)} s.`);
else say('The demo failed: the line above says where.');
if (flags.keep) {
  const all = [agentPid(), ...pids()].filter((pid) => pid !== undefined);
  say(`\nIt is left running. To use it from a shell:`);
  say(`  export WARDEN_CONFIG='${config}' SSH_AUTH_SOCK='${socket}'`);
  say(`  ssh -F '${sshConfig}' lab`);
  say(`To end it:\n  kill ${all.join(' ')}; sleep 1; rm -rf '${dir}'`);
}
if (flags.json) process.stdout.write(`${JSON.stringify({ ok, steps: report })}\n`);
process.exit(ok ? 0 : 1);
