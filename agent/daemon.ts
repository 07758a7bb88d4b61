/**
 * The daemon put together: configuration in, two sockets out. Whatever is wrong with the configuration, the user's other keys keep
 * working (promise 5): then it is a pure relay, and says so.
 */
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../src/config/config.ts';
import type { Status } from '../src/control/messages.ts';
import { tokenCredential } from '../src/credentials/token.ts';
import { KnownHostsStore } from '../src/destination/known-hosts-store.ts';
import { ProvedNames } from '../src/destination/proved-names.ts';
import { asWardenError, WardenError } from '../src/errors.ts';
import { SKEW_ALLOWANCE_S } from '../src/issuance/check.ts';
import { MintQueue } from '../src/issuance/mint-queue.ts';
import { caPins } from '../src/openbao/ca-pins.ts';
import { createHttpClient } from '../src/openbao/http-client.ts';
import { createPause } from '../src/openbao/pause.ts';
import { sshEngine } from '../src/openbao/ssh-engine.ts';
import type { Clock } from '../src/system/clock.ts';
import { ensurePrivateDirectory } from '../src/system/directories.ts';
import { hardenProcess } from '../src/system/hardening.ts';
import { libcFailure } from '../src/system/libc.ts';
import { peerCredentials } from '../src/system/peer.ts';
import { Trail } from '../src/trail/trail.ts';
import { VERSION } from '../src/version.ts';
import { serveConnection } from './connection.ts';
import { openControlServer } from './control-server.ts';
import { DestinationSockets } from './destination-sockets.ts';
import { Dispatcher } from './dispatch.ts';
import { SharedIdentities } from './keystore/shared-identities.ts';
import { createWiper, type Wiper } from './keystore/wipe.ts';
import { controlSocketOf, openListener } from './listener.ts';
import type { Log } from './log.ts';
import { Refusals } from './refusals.ts';
import { createServices } from './services.ts';
import type { LoginDependencies } from './session/login.ts';
import { Register } from './session/register.ts';
import type { SocketScope } from './session/socket-scope.ts';

const WARM_DEADLINE_MS = 2_000;
/** A mint has 3 s unless its lane says more, and the signature follows at once. */
const DRAIN_DEADLINE_MS = 4_000;
const LOOK_EVERY_MS = 20;

export interface DaemonOptions {
  readonly socket: string;
  readonly upstream: string | undefined;
  /** Or why there is none: then the daemon is a pure relay. */
  readonly config: Config | { readonly unusable: string; readonly file: string | undefined };
  /** Where the token may be; it is taken out. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when the control socket is told to stop. */
  readonly onStop: () => void;
}

export interface Daemon {
  readonly socket: string;
  status(): Status;
  /** Forgets every minted key at once; the connections stay. */
  dropKeys(): void;
  /** Takes no more connections, lets logins in flight end within DRAIN_DEADLINE_MS, then ends what is connected. */
  close(): Promise<void>;
}

/** The parts that mint, and how they are doing. */
function createMinting(config: Config, options: DaemonOptions, wiper: Wiper) {
  const { clock, env, log } = options;
  const { openbao } = config;
  ensurePrivateDirectory(config.stateDir);
  const http = createHttpClient(openbao.addresses, openbao.tls);
  const engine = sshEngine(http, openbao.mount, openbao.namespace);
  const credential = tokenCredential(openbao.auth, env);
  const server = [openbao.addresses[0], openbao.namespace ?? '', openbao.mount].join(' ');
  const pins = caPins({
    configured: openbao.sshCa,
    stateDir: config.stateDir,
    server,
    learn: (ms) => engine.caPublicKeys(ms),
  });
  const pause = createPause(clock, (ms) => engine.healthy(ms));
  const trail = new Trail(join(config.stateDir, 'audit'), { clock });
  let skewMs: number | null = null;
  let identity: string | undefined;
  const onSkew = (ms: number) => {
    const wasFine = skewMs === null || Math.abs(skewMs) <= SKEW_ALLOWANCE_S * 1000;
    skewMs = ms;
    if (wasFine && Math.abs(ms) > SKEW_ALLOWANCE_S * 1000)
      log.warn({ skew_ms: ms }, "this machine's clock and OpenBao's differ");
  };
  const login: LoginDependencies = {
    clock,
    agent: config.agent,
    lanes: config.lanes,
    knownHosts: new KnownHostsStore(config.agent.knownHosts),
    provedNames: new ProvedNames(),
    register: new Register(clock),
    shared: new SharedIdentities(() => wiper.dropped()),
    issuance: {
      clock,
      trail,
      engine,
      credential,
      pins,
      pause,
      queue: new MintQueue(),
      mount: openbao.mount,
      keyId: openbao.keyId,
      identity: () => identity,
      onSkew,
    },
  };
  /** Starts and stops are part of the story; a trail that can't be written must not keep the user's other keys away. */
  const note = async (event: 'agent.start' | 'agent.stop') => {
    try {
      await trail.append({
        event,
        phase: 'single',
        outcome: 'ok',
        message: `warden ${VERSION}, process ${process.pid}`,
      });
    } catch (thrown) {
      const error = asWardenError(thrown);
      log.error({ code: error.code }, `${error.message} (${error.hint})`);
    }
  };
  /** Opens the connection that the first login will use, and learns what only has to be asked once. */
  const warm = async () => {
    await note('agent.start');
    try {
      await pins.expected(WARM_DEADLINE_MS);
      await engine.healthy(WARM_DEADLINE_MS);
      const token = await engine.lookupSelf(await credential.token(), WARM_DEADLINE_MS);
      identity =
        token.entityId === '' ? token.displayName : `${token.displayName} (entity ${token.entityId})`;
    } catch (thrown) {
      const error = asWardenError(thrown);
      log.warn({ code: error.code }, `not ready to mint: ${error.message} (${error.hint})`);
    }
  };
  const status = (): Status['openbao'] => ({
    addresses: [...openbao.addresses],
    mount: openbao.mount,
    credential: credential.describe(),
    ssh_ca: [...pins.known()],
    paused: pause.reason()?.message ?? null,
    skew_ms: skewMs,
    identity: identity ?? null,
  });
  const close = async () => {
    pause.close();
    await note('agent.stop');
    await trail.close();
    http.close();
  };
  return { login, trail, warm, status, close };
}

type Minting = ReturnType<typeof createMinting>;

/** The parts that mint, or why nothing can be minted. */
function tryMinting(options: DaemonOptions, wiper: Wiper): Minting | string {
  const { config } = options;
  if ('unusable' in config) return config.unusable;
  const noLibrary = libcFailure();
  if (noLibrary !== undefined) return `the package koffi can't be loaded: ${noLibrary}`;
  try {
    return createMinting(config, options, wiper);
  } catch (thrown) {
    return asWardenError(thrown).message;
  }
}

/** Starts the daemon; resolves when both sockets take connections. Throws what the listener throws. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, config, log } = options;
  const started = new Date(clock.now()).toISOString();
  const wiper = createWiper();
  const tried = tryMinting(options, wiper);
  const minting = typeof tried === 'string' ? undefined : tried;
  const relayOnly = typeof tried === 'string' ? tried : null;
  const warnings = [...('unusable' in config ? [] : config.warnings), ...hardenProcess()];
  const refusals = new Refusals(clock);
  const services = createServices({
    clock,
    log,
    upstreamPath: options.upstream,
    refusals,
    wiper,
    tell: 'unusable' in config ? 'none' : config.agent.tell,
    login: minting?.login,
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
    } else serveConnection(socket, new Dispatcher(services, peer, scope));
  };
  const listener = await openListener(options.socket, config.file, serve({ path: options.socket }));
  const lanes = () => minting?.login.lanes ?? [];
  const destinations = new DestinationSockets(options.socket, serve, log);
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
    config: config.file ?? null,
    relay_only: relayOnly,
    lanes: 'unusable' in config ? [] : config.lanes.map(({ id }) => id),
    warnings,
    openbao: minting?.status() ?? null,
    connections: listener.connections() + destinations.connections(),
    live_certificates: services.counters.live,
    minted: services.counters.minted,
    signed: services.counters.signed,
    refused: services.counters.refused,
  });
  const control = await openControlServer(controlSocketOf(options.socket), {
    status,
    why: (host) => refusals.list(host),
    socket: (request) => destinations.open(request, lanes()),
    stop: options.onStop,
  });
  if (relayOnly !== null)
    log.warn({ relay_only: relayOnly }, 'nothing is minted: a pure relay to the upstream agent');
  const warmed = minting?.warm() ?? Promise.resolve();
  log.info({ socket: options.socket, upstream: options.upstream, relay_only: relayOnly !== null }, 'ready');
  return {
    socket: options.socket,
    status,
    dropKeys() {
      log.info({ dropped: services.dropAll() }, 'all minted keys were told to go');
    },
    async close() {
      // The listener gives the directory free: after it a successor's control socket may be there.
      await control.close();
      destinations.close();
      await listener.close(drained);
      destinations.end();
      await warmed;
      await services.settled();
      await minting?.close();
      wiper.close();
    },
  };
}
