/**
 * The daemon put together: configuration in, sockets out. Whatever is wrong with the configuration, the user's other keys keep
 * working (promise 5): then it is a pure relay, and says so.
 */
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reload, Status } from '../src/control/messages.ts';
import { WARDEN_LOGIN } from '../src/credentials/credential.ts';
import { WardenError } from '../src/errors.ts';
import { mintForFile } from '../src/issuance/file-mint.ts';
import { tooFewLeft } from '../src/system/descriptors.ts';
import { hardenProcess } from '../src/system/hardening.ts';
import { hasHungUp, peerCredentials } from '../src/system/peer.ts';
import { VERSION } from '../src/version.ts';
import { serveConnection } from './connection.ts';
import { openControlServer } from './control-server.ts';
import { DestinationSockets } from './destination-sockets.ts';
import { Dispatcher } from './dispatch.ts';
import { controlSocketOf, openListener } from './listener.ts';
import { LoginDialogues } from './login-dialogues.ts';
import { Refusals } from './refusals.ts';
import { createServices } from './services.ts';
import { LoginWait } from './session/login-wait.ts';
import type { SocketScope } from './session/socket-scope.ts';
import { Setup, type SetupOptions } from './setup.ts';
import { createTeller } from './teller.ts';

/** A mint has 3 s unless its lane says more, and the signature follows at once. */
const DRAIN_DEADLINE_MS = 4_000;
const LOOK_EVERY_MS = 20;

export interface DaemonOptions extends Omit<SetupOptions, 'loginWait'> {
  /** Of the socket, where a service manager listens on it already. */
  readonly descriptor?: number | undefined;
  /** It is one ssh's own, which no command finds. */
  readonly ofSession?: boolean;
  /** Called when the control socket is told to stop. */
  readonly onStop: () => void;
}

export interface Daemon {
  readonly socket: string;
  status(): Status;
  /** Reads the configuration again: from now on it counts, or the former one stays and why is logged, in the answer and in `status`. */
  reload(): Reload;
  /** Forgets every minted key at once; the connections stay. */
  dropKeys(): void;
  /** Takes no more connections, lets logins in flight end within DRAIN_DEADLINE_MS, then ends what is connected. */
  close(): Promise<void>;
}

/** Starts the daemon; resolves when both sockets take connections. Throws what the listener throws. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, log } = options;
  const started = new Date(clock.now()).toISOString();
  const agent = () => setup.config?.agent;
  const teller = createTeller({ agent, env: options.env, clock, log });
  const loginWait = new LoginWait(
    teller,
    (command) => options.ofSession !== true || !command.endsWith(WARDEN_LOGIN),
  );
  const setup = new Setup({ ...options, loginWait });
  const notHardened = hardenProcess();
  const refusals = new Refusals(clock);
  const services = createServices({
    clock,
    log,
    upstreamPath: options.upstream,
    refusals,
    teller,
    get login() {
      return setup.minting?.login;
    },
  });

  const serve = (scope: SocketScope) => (socket: Socket) => {
    const peer = peerCredentials(socket);
    // As ssh-agent.c does: only the same user and root. Where it can't be told, the 0700 directory must do, and nothing is minted.
    if (peer !== undefined && peer.uid !== process.getuid?.() && peer.uid !== 0) {
      socket.destroy();
      services.requestRefused(
        new WardenError('no_peer', `user ${peer.uid} was turned away: the socket is not theirs`),
        peer,
      );
    } else if (tooFewLeft(socket)) {
      socket.destroy();
      const hint = 'who holds so many? warden status; a higher limit: ulimit -n, LimitNOFILE';
      const why = `a connection was turned away: ${connections()} are open, and few descriptors are left`;
      services.requestRefused(new WardenError('no_descriptors', why, { hint }), peer);
    } else serveConnection(socket, new Dispatcher(services, peer, scope, () => hasHungUp(socket)));
  };
  const listener = await openListener(
    options.socket,
    setup.file,
    serve({ path: options.socket }),
    options.descriptor,
  );
  const destinations = new DestinationSockets(options.socket, serve, log);
  const connections = () => listener.connections() + destinations.connections();
  const lanes = () => setup.config?.lanes ?? [];
  await destinations.openUsual(lanes());
  /** Resolves when no login is in flight, or at the deadline. */
  const drained = async () => {
    const deadline = performance.now() + DRAIN_DEADLINE_MS;
    while (services.busy() && performance.now() < deadline) await sleep(LOOK_EVERY_MS);
  };
  const status = (): Status => ({
    version: VERSION,
    pid: process.pid,
    started,
    socket: options.socket,
    destination_sockets: [...destinations.paths],
    upstream: options.upstream ?? null,
    config: setup.file ?? null,
    relay_only: setup.relayOnly ?? null,
    locked: services.upstream.locked,
    reload_refused: setup.refused ?? null,
    lanes: setup.config?.lanes.map(({ id }) => id) ?? [],
    warnings: [
      ...(setup.config?.warnings ?? []),
      ...setup.needsRestart.map((key) => `${key} has changed: it needs a restart`),
      ...notHardened,
      ...[setup.minting?.anchorFailure() ?? []].flat(),
    ],
    openbao: setup.minting?.status() ?? null,
    connections: connections(),
    live_certificates: services.counters.live,
    waiting_for_login: loginWait.size,
    minted: services.counters.minted,
    signed: services.counters.signed,
    refused: services.counters.refused,
  });
  const reload = (): Reload => {
    const answer = setup.reload();
    listener.announce(setup.file);
    void destinations.openUsual(lanes());
    return answer;
  };
  const logins = new LoginDialogues();
  const minting = () => {
    if (setup.minting !== undefined) return setup.minting;
    const why = `the agent mints nothing: ${setup.relayOnly ?? 'it has no configuration'}`;
    throw new WardenError('config_invalid', why, { hint: 'warden agent --check' });
  };
  const control = await openControlServer(controlSocketOf(options.socket), {
    status,
    why: (host) => refusals.list(host),
    reload,
    async sign(request, caller) {
      const { stateDir, login } = minting();
      if (setup.config === undefined) throw new WardenError('config_missing', 'there is no configuration');
      const grants = { ...setup.config, stateDir };
      return mintForFile(login.issuance, grants, request, caller, async (refusal) =>
        services.fileRefused(refusal),
      );
    },
    login: async (request, hungUp) => logins.next(request, () => minting().credential, hungUp),
    logout: async () => minting().logout(),
    socket: (request) => destinations.open(request, lanes()),
    stop: options.onStop,
  });
  if (setup.relayOnly !== undefined)
    log.warn({ relay_only: setup.relayOnly }, 'nothing is minted: a pure relay to the upstream agent');
  setup.begin();
  const { socket, upstream } = options;
  log.info({ socket, upstream, relay_only: setup.relayOnly !== undefined }, 'ready');
  return {
    socket: options.socket,
    status,
    reload,
    dropKeys() {
      log.info({ dropped: services.dropAll() }, 'all minted keys were told to go');
    },
    async close() {
      loginWait.stop();
      // The listener gives the directory free: after it a successor's control socket may be there.
      await control.close();
      destinations.close();
      await listener.close(drained);
      destinations.end();
      await services.settled();
      await setup.close();
    },
  };
}
