/**
 * A tunnel's reconnect, from the start of `ssh -N -R` until its port takes connections at the far side: by warden's socket, and by
 * cert_command with a new certificate each time, beside a static key in authorized_keys.
 */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeKey } from '../test/support/keys.ts';
import { writeKnownHosts } from '../test/support/known-hosts.ts';
import { startOpenBao } from '../test/support/openbao.ts';
import { type Environment, minimalEnvironment } from '../test/support/process.ts';
import { sshArgv } from '../test/support/ssh.ts';
import { startSshd } from '../test/support/sshd.ts';
import { lastingPort } from '../test/support/stream.ts';
import { tempDirectory } from '../test/support/temp.ts';
import { LAUNCHER, startWarden } from '../test/support/warden.ts';
import { type Bench, digits, type Figure } from './report.ts';
import { differences, interval, median } from './statistics.ts';

const ROUNDS = 60;
const PERMIT = { 'permit-port-forwarding': '' };

interface Way {
  /** Started before each connection, and waited for. */
  readonly before?: readonly string[];
  readonly argv: readonly string[];
  readonly env: Environment;
}

function takes(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function ended(argv: readonly string[], env: Environment) {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: 'ignore', env: minimalEnvironment(env) });
  return { child, end: new Promise<number | null>((resolve) => child.once('exit', resolve)) };
}

/** Milliseconds until the port takes connections. Throws where ssh ends before. */
async function reconnect({ before, argv, env }: Way, port: number): Promise<number> {
  const began = performance.now();
  if (before !== undefined && (await ended(before, env).end) !== 0) throw new Error(before.join(' '));
  const { child, end } = ended(argv, env);
  let gone = false;
  void end.then(() => {
    gone = true;
  });
  while (!(await takes(port))) {
    if (gone) throw new Error(`${argv.join(' ')} has ended`);
    await sleep(1);
  }
  const took = performance.now() - began;
  child.kill('SIGTERM');
  await end;
  // sshd gives the port up when it has noticed.
  while (await takes(port)) await sleep(5);
  return took;
}

async function run(): Promise<readonly Figure[]> {
  const bao = await startOpenBao({ role: { max_ttl: '1h', default_extensions: PERMIT } });
  const directory = tempDirectory('bench-');
  const key = await makeKey(directory.path, 'static');
  const file = await makeKey(directory.path, 'file');
  const sshd = await startSshd({ userCas: [bao.caPublicKey], authorizedKeys: [key.publicKey] });
  const knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  const warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
    lanes: {
      hub: {
        hosts: [`[127.0.0.1]:${sshd.port}`],
        logins: [sshd.user],
        role: bao.role,
        extensions: Object.keys(PERMIT),
      },
    },
    principals: [sshd.user],
    actors: { 'agt-bench': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
    knownHosts: [knownHosts],
  });
  try {
    const entry = await lastingPort();
    const ssh = (identities: readonly string[], options: readonly string[]) =>
      sshArgv({
        port: sshd.port,
        knownHosts,
        identities,
        options: ['ExitOnForwardFailure=yes', ...options],
        command: [],
        args: ['-N', '-R', `${entry}:127.0.0.1:9`],
      });
    const byFile = ['IdentitiesOnly=yes', 'IdentityAgent=none'];
    const certificate = directory.join('file-cert.pub');
    const ways: readonly Way[] = [
      { argv: ssh([key.path], byFile), env: {} },
      { argv: ssh([], []), env: { SSH_AUTH_SOCK: warden.socket } },
      {
        before: [LAUNCHER, 'sign', 'agt-bench', '--pubkey', `${file.path}.pub`, '--out', certificate],
        argv: ssh([file.path], [...byFile, `CertificateFile=${certificate}`]),
        env: warden.env,
      },
    ];
    const times: number[][] = ways.map(() => []);
    for (let round = -2; round < ROUNDS; round += 1) {
      for (let i = 0; i < ways.length; i += 1) {
        const at = (i + round + 2) % ways.length;
        const way = ways[at];
        if (way === undefined) continue;
        const took = await reconnect(way, entry);
        if (round >= 0) times[at]?.push(took);
      }
    }
    const [fixed = [], socket = [], command = []] = times;
    const beside = (what: readonly number[]) => {
      const more = differences(what, fixed);
      const [low, high] = interval(more, median);
      return `${digits(median(what))} ms; static key ${digits(median(fixed))} ms; ${ROUNDS} pairs, median difference ${digits(median(more))} [${digits(low)}, ${digits(high)}] ms`;
    };
    return [
      {
        name: "a tunnel's reconnect by the agent's socket, beside one with a static key",
        value: median(socket) / median(fixed),
        unit: '×',
        atMost: 1.05,
        beside: beside(socket),
      },
      {
        name: 'the same by cert_command, signed anew each time',
        value: median(command) / median(fixed),
        unit: '×',
        beside: beside(command),
      },
    ];
  } finally {
    await warden.remove();
    await sshd.stop();
    await bao.stop();
    directory.remove();
  }
}

export const tunnelBench: Bench = {
  name: 'tunnel',
  about: "a tunnel's reconnect, beside one with a static key",
  run,
};
