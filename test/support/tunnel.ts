/**
 * A consumer of certificates as ops-bridge is one, for proof: it keeps a real `ssh -N` up. By contract 1.0 it runs the cert_command through a
 * shell before each start, gives ssh `-i key -i cert`, starts it anew before the certificate ends, and waits longer after each failure;
 * or, the better way, it has no key at all and SSH_AUTH_SOCK on warden's socket. Left out: health checks, several tunnels.
 */
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { certificateBlobOf, parseCertificate } from '../../src/ssh/certificate.ts';
import { type Background, type Environment, run, start } from './process.ts';
import { type ClientOptions, sshArgv } from './ssh.ts';

export interface TunnelOptions {
  readonly ssh: ClientOptions;
  /** `-R 1:127.0.0.1:2`, `-L …`. */
  readonly forward: readonly string[];
  readonly env?: Environment;
  /** Undefined: by the agent's socket. */
  readonly byCommand?: {
    readonly command: string;
    readonly key: string;
    readonly certificate: string;
    /** Seconds before the certificate's end at which ssh is started anew. */
    readonly refreshBefore: number;
  };
}

export interface Tunnel {
  /** What happened, in order: `connected SERIAL`, `expiring`, `failed …`, `lost`. */
  readonly events: readonly string[];
  readonly pid: number | undefined;
  stop(): Promise<void>;
}

const BACKOFF_MS = [100, 200, 400, 800] as const;

/** Starts it; it goes on until `stop`. */
export function keepTunnel(options: TunnelOptions): Tunnel {
  const events: string[] = [];
  let child: Background | undefined;
  let stopped = false;
  const command = async () => {
    const { byCommand } = options;
    if (byCommand === undefined) return { identities: [], options: [], untilMs: undefined, serial: 'agent' };
    const result = await run('/bin/sh', ['-c', byCommand.command], { env: options.env ?? {} });
    if (result.code !== 0)
      throw new Error(`cert_command: ${result.code ?? 'killed'} ${result.stderr.trim()}`);
    writeFileSync(byCommand.certificate, result.stdout, { mode: 0o600 });
    const { validBefore, serial } = parseCertificate(certificateBlobOf(result.stdout));
    return {
      identities: [byCommand.key, byCommand.certificate],
      options: ['IdentitiesOnly=yes', 'IdentityAgent=none'],
      untilMs: Number(validBefore) * 1000 - byCommand.refreshBefore * 1000 - Date.now(),
      serial: serial.toString(),
    };
  };
  const once = async () => {
    const { identities, options: more, untilMs, serial } = await command();
    const [program = 'ssh', ...argv] = sshArgv({
      ...options.ssh,
      identities,
      options: [...more, 'ExitOnForwardFailure=yes', ...(options.ssh.options ?? [])],
      command: [],
      args: ['-N', ...options.forward],
    });
    child = start(program, argv, { env: { ...options.env, SSH_AUTH_SOCK: options.ssh.agent } });
    events.push(`connected ${serial}`);
    const expiring = sleep(untilMs ?? 2 ** 30, 'expiring', { ref: false });
    const why = await Promise.race([expiring, child.ended.then(({ stderr }) => `lost ${stderr.trim()}`)]);
    events.push(why);
    const since = child;
    child = undefined;
    if (why === 'expiring') await since.stop();
    return why;
  };
  const loop = async () => {
    for (let failures = 0; !stopped; ) {
      const why = await once().catch((thrown: unknown) => {
        events.push(`failed ${String(thrown)}`);
        return 'failed';
      });
      failures = why === 'expiring' ? 0 : failures + 1;
      // The far side frees its port when it has noticed.
      if (!stopped && failures > 0) await sleep(BACKOFF_MS[Math.min(failures, BACKOFF_MS.length) - 1]);
    }
  };
  const running = loop();
  return {
    events,
    get pid() {
      return child?.pid;
    },
    async stop() {
      stopped = true;
      await child?.stop();
      await running;
    },
  };
}

export interface Stream {
  /** Numbers that came out at the far end, in order and each once, so far. */
  readonly arrived: number;
  /** Bytes that came out of order or changed: none. */
  readonly wrong: readonly string[];
  /** The port that takes what comes out of the tunnel. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Sends numbers through a tunnel's `entry` port to a server of its own; after a break it goes on behind what has arrived. */
export async function streamThrough(entry: number): Promise<Stream> {
  const state = { arrived: 0, wrong: [] as string[], stopped: false };
  const server: Server = createServer((socket) => {
    let rest = '';
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === String(state.arrived + 1)) state.arrived += 1;
        else if (!(Number(line) <= state.arrived)) state.wrong.push(line);
      }
      socket.write(`${state.arrived}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  let current: Socket | undefined;
  const through = (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(entry, '127.0.0.1');
      current = socket;
      let sent = state.arrived;
      const timer = setInterval(() => {
        sent += 1;
        socket.write(`${sent}\n`);
      }, 5);
      socket.on('data', () => undefined);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        clearInterval(timer);
        resolve();
      });
    });
  const loop = async () => {
    while (!state.stopped) {
      await through();
      await sleep(20);
    }
  };
  const running = loop();
  return {
    get arrived() {
      return state.arrived;
    },
    wrong: state.wrong,
    port,
    async stop() {
      state.stopped = true;
      current?.destroy();
      await running;
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
