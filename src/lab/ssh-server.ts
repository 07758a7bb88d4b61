/**
 * The lab's SSH server, on the package ssh2 and on 127.0.0.1 only: verifies user certificates as sshd does (ssh-auth.ts), runs the
 * caller's commands (ssh-session.ts), serves sftp (ssh-sftp.ts) and passes connections on to loopback, for ProxyJump.
 * NOT FOR PRODUCTION: every login runs as the user whom the lab runs as. Left out: real terminals, passwords, remote forwarding, agent and
 * X11 forwarding, `publickey-hostbound` (ssh2 doesn't know it; ssh still binds its agent, by the key exchange).
 */
import { realpathSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import ssh2, { type Connection } from 'ssh2';
import { parsePublicKeyLine } from '../ssh/public-key.ts';
import { type Clock, systemClock } from '../system/clock.ts';
import { decideLogin, type LoginReport, type LoginRules, type Peer, type Permissions } from './ssh-auth.ts';
import { serveSession } from './ssh-session.ts';

/** sshd's default MaxAuthTries. */
const MAX_AUTH_TRIES = 6;
/** sshd's default LoginGraceTime. */
const LOGIN_GRACE_MS = 120_000;
const CONNECT_DEADLINE_MS = 5_000;
const STOP_DEADLINE_MS = 2_000;
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

export interface LabSshOptions {
  readonly port?: number;
  readonly rules: LoginRules;
  /** Existing directory where commands start and to which sftp is confined. */
  readonly root: string;
  readonly clock?: Clock;
  readonly log?: (line: string) => void;
  readonly onLogin?: (report: LoginReport) => void;
}

export interface LabSshServer {
  readonly port: number;
  /** One line, `ssh-ed25519 AAAA…`. */
  readonly hostKey: string;
  stop(): Promise<void>;
}

/** Passes a direct-tcpip channel on to a port on loopback (`ssh -J`, `ssh -W`). */
function forward(client: Connection, permissions: () => Permissions | undefined): void {
  client.on('tcpip', (accept, reject, info) => {
    if (permissions()?.portForwarding !== true || !LOOPBACK.has(info.destIP)) {
      reject();
      return;
    }
    const socket: Socket = connect({ host: info.destIP, port: info.destPort, timeout: CONNECT_DEADLINE_MS });
    let open = false;
    socket.once('timeout', () => {
      if (!open) socket.destroy(new Error('no answer'));
    });
    socket.once('connect', () => {
      open = true;
      socket.setTimeout(0);
      const channel = accept();
      channel.on('error', () => socket.destroy());
      channel.once('close', () => socket.destroy());
      channel.pipe(socket).pipe(channel);
    });
    socket.on('error', () => {
      if (!open) reject();
    });
  });
}

function serveClient(client: Connection, peer: Peer, options: LabSshOptions): void {
  const { clock = systemClock, log = () => {} } = options;
  const say = (text: string) =>
    log(`warden lab (not for production): ssh ${peer.address}:${peer.port} ${text}`);
  let login: { user: string; permissions: Permissions; key: string } | undefined;
  let tries = 0;
  const grace = setTimeout(() => client.end(), LOGIN_GRACE_MS);

  client.on('authentication', (context) => {
    if (context.method !== 'publickey') {
      context.reject(['publickey']);
      return;
    }
    const decision = decideLogin(context, options.rules, peer, clock.now());
    if (!decision.ok) {
      say(`refused ${JSON.stringify(context.username)}: ${decision.reason}`);
      tries++;
      if (tries >= MAX_AUTH_TRIES) client.end();
      else context.reject(['publickey']);
      return;
    }
    if (context.signature !== undefined) {
      const key = `${context.key.algo} ${context.key.data.toString('base64')}`;
      login = { user: context.username, permissions: decision.permissions, key };
      const { certificate, fingerprint } = decision.report;
      say(
        certificate === undefined
          ? `accepted ${context.username}: key ${fingerprint}`
          : `accepted ${context.username}: certificate ${fingerprint} serial ${certificate.serial}`,
      );
      options.onLogin?.(decision.report);
    }
    context.accept();
  });
  client.on('ready', () => clearTimeout(grace));
  client.on('session', (accept) => {
    if (login === undefined) return;
    const remote = `${peer.address} ${peer.port} 127.0.0.1`;
    serveSession(accept(), { ...login, root: realpathSync(options.root), remote });
  });
  // Forwarding back to the client is not offered; no-more-sessions@openssh.com wants no answer.
  client.on('request', (_accept, reject) => reject?.());
  forward(client, () => login?.permissions);
  client.on('error', (error) => say(`error: ${error.message}`));
  client.on('close', () => clearTimeout(grace));
}

/** A new ed25519 key in OpenSSH's form. About one in 270 that ssh2 makes it can't read itself [tried]. */
function hostKeyPair(): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

/** Starts a server with an ed25519 host key of its own. A port of 0 (the default) takes a free one. */
export async function startLabSshServer(options: LabSshOptions): Promise<LabSshServer> {
  const keys = hostKeyPair();
  const clients = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [keys.private], ident: 'warden-lab' }, (client, info) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    serveClient(client, { address: info.ip, port: info.port }, options);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const { type, blob } = parsePublicKeyLine(keys.public);
  return {
    port,
    hostKey: `${type} ${blob.toString('base64')}`,
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of clients) client.end();
      // A client that never closes its side must not hold the lab.
      await Promise.race([closed, sleep(STOP_DEADLINE_MS, undefined, { ref: false })]);
    },
  };
}
