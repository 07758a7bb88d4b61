/**
 * What a logged-in client runs: commands and a shell through /bin/sh, as the user whom the lab itself runs as, whatever the login name.
 * Exit status and signals are passed on (RFC 4254 sections 6.9, 6.10). There is no real terminal: a `pty` request is answered with pipes
 * that echo and translate line ends, enough for `ssh -t` and to look around. Of the client's environment only TERM is taken.
 * A command finds what it was let in with in the file `$SSH_USER_AUTH`, as under sshd's ExposeAuthInfo.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { ServerChannel, Session } from 'ssh2';
import type { Permissions } from './ssh-auth.ts';
import { serveSftp } from './ssh-sftp.ts';

export interface SessionContext {
  readonly user: string;
  readonly permissions: Permissions;
  /** Where commands start, and what sftp is confined to. */
  readonly root: string;
  readonly remote: string;
  /** The key or certificate of the login: `type base64`. */
  readonly key: string;
}

interface Running {
  child: ChildProcessWithoutNullStreams | undefined;
}

const CTRL_C = 0x03;
const CTRL_D = 0x04;

function killGroup(child: ChildProcessWithoutNullStreams | undefined, signal: NodeJS.Signals): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It ended in the meantime.
  }
}

const SIGNALS: ReadonlyMap<string, NodeJS.Signals> = new Map<string, NodeJS.Signals>(
  (
    [
      'ABRT',
      'ALRM',
      'FPE',
      'HUP',
      'ILL',
      'INT',
      'KILL',
      'PIPE',
      'QUIT',
      'SEGV',
      'TERM',
      'USR1',
      'USR2',
    ] as const
  ).map((name) => [name, `SIG${name}`]),
);

/** sshd_config(5), ExposeAuthInfo: the methods that succeeded, one line each. */
function exposeAuthInfo(key: string): { readonly file: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'sshauth.'));
  const file = join(directory, 'info');
  writeFileSync(file, `publickey ${key}\n`, { mode: 0o600 });
  return { file, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

/** `\n` becomes `\r\n`, as a terminal's output side does. */
function newlines(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      done(null, Buffer.from(chunk.toString('latin1').replaceAll('\n', '\r\n'), 'latin1'));
    },
  });
}

/** The input side of a terminal, as far as it goes: echo, `\r` to `\n`, Ctrl-C and Ctrl-D. */
function typed(channel: ServerChannel, child: ChildProcessWithoutNullStreams): void {
  channel.on('data', (chunk: Buffer) => {
    if (chunk.includes(CTRL_C)) {
      killGroup(child, 'SIGINT');
      return;
    }
    const text = chunk.toString('latin1').replaceAll('\r', '\n');
    channel.write(text.replaceAll('\n', '\r\n'), 'latin1');
    if (chunk.includes(CTRL_D)) child.stdin.end();
    else if (child.stdin.writable) child.stdin.write(text, 'latin1');
  });
}

function run(
  channel: ServerChannel,
  argv: readonly string[],
  context: SessionContext,
  environment: Readonly<Record<string, string>>,
  pty: boolean,
): ChildProcessWithoutNullStreams {
  const authInfo = exposeAuthInfo(context.key);
  const child = spawn('/bin/sh', argv, {
    cwd: context.root,
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      HOME: context.root,
      USER: context.user,
      LOGNAME: context.user,
      SHELL: '/bin/sh',
      SSH_CONNECTION: context.remote,
      SSH_USER_AUTH: authInfo.file,
      ...environment,
    },
    // A group of its own, so that a signal reaches everything the command has started.
    detached: true,
  });
  // A client that goes away or stops reading must not bring the lab down.
  for (const stream of [channel, channel.stderr, child.stdin, child.stdout, child.stderr])
    stream.on('error', () => {});
  if (pty) {
    typed(channel, child);
    child.stdout.pipe(newlines()).pipe(channel, { end: false });
    child.stderr.pipe(newlines()).pipe(channel, { end: false });
  } else {
    channel.pipe(child.stdin);
    child.stdout.pipe(channel, { end: false });
    child.stderr.pipe(channel.stderr, { end: false });
  }
  channel.once('close', () => killGroup(child, 'SIGHUP'));
  child.once('close', authInfo.remove);
  child.once('error', () => {
    authInfo.remove();
    channel.exit(127);
    channel.end();
  });
  child.once('close', (code, signal) => {
    // One turn later, so that what the pipes still hold goes out first.
    setImmediate(() => {
      if (signal === null) channel.exit(code ?? 255);
      else channel.exit(signal.replace(/^SIG/, ''), false, '');
      channel.end();
    });
  });
  return child;
}

/** Serves one session channel. */
export function serveSession(session: Session, context: SessionContext): void {
  const { forceCommand } = context.permissions;
  const environment: Record<string, string> = {};
  const running: Running = { child: undefined };
  let pty = false;

  const start = (channel: ServerChannel, command: string | undefined) => {
    const original =
      forceCommand === undefined || command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command };
    const wanted = forceCommand ?? command;
    const argv = wanted === undefined ? (pty ? ['-i'] : []) : ['-c', wanted];
    running.child = run(channel, argv, context, { ...environment, ...original }, pty);
  };

  session.on('pty', (accept, reject, info) => {
    if (!context.permissions.pty) {
      reject?.();
      return;
    }
    pty = true;
    if (typeof info.term === 'string' && /^[\w.+-]{1,64}$/.test(info.term)) environment['TERM'] = info.term;
    accept?.();
  });
  session.on('env', (accept, reject, info) => {
    if (info.key !== 'TERM' || !/^[\w.+-]{1,64}$/.test(info.val)) {
      reject?.();
      return;
    }
    environment['TERM'] = info.val;
    accept?.();
  });
  session.on('window-change', (accept) => accept?.());
  session.on('signal', (accept, _reject, info) => {
    const signal = SIGNALS.get(info.name.replace(/^SIG/, ''));
    if (signal !== undefined) killGroup(running.child, signal);
    accept?.();
  });
  session.on('exec', (accept, _reject, info) => start(accept(), info.command));
  session.on('shell', (accept) => {
    const channel = accept();
    if (pty) channel.write('warden lab: pipes only, no real terminal; not for production\r\n');
    start(channel, undefined);
  });
  if (forceCommand === undefined || forceCommand === 'internal-sftp') {
    session.on('sftp', (accept) => serveSftp(accept(), context.root));
  } else {
    // Without an sftp listener ssh2 reports it as any subsystem: sshd then runs the forced command in its place.
    session.on('subsystem', (accept, _reject, info) => start(accept(), info.name));
  }
}
