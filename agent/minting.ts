/**
 * The parts that mint. Those that a configuration makes (the way to OpenBao, lanes, known_hosts) are made anew when it is read again;
 * the trail, the register of sessions, the proved names and the mints' queue live on, and so does a token that was taken out of the environment. A login
 * in flight ends with the parts that it began with.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Config, OpenBaoConfig } from '../src/config/config.ts';
import type { Status } from '../src/control/messages.ts';
import { type Access, accessKey, openAccess } from '../src/credentials/access.ts';
import type { LoginReport } from '../src/credentials/login-reports.ts';
import { KnownHostsStore } from '../src/destination/known-hosts-store.ts';
import { ProvedNames } from '../src/destination/proved-names.ts';
import { asWardenError, EXIT } from '../src/errors.ts';
import { SKEW_ALLOWANCE_S } from '../src/issuance/check.ts';
import { MintQueue } from '../src/issuance/mint-queue.ts';
import { issuanceParts } from '../src/issuance/parts.ts';
import type { Clock } from '../src/system/clock.ts';
import { ensurePrivateDirectory } from '../src/system/directories.ts';
import type { RecordInput } from '../src/trail/record.ts';
import type { Trail } from '../src/trail/trail.ts';
import { VERSION } from '../src/version.ts';
import { createKeptTrail } from './kept-trail.ts';
import { SharedIdentities } from './keystore/shared-identities.ts';
import type { Log } from './log.ts';
import { RefusalRecords } from './refusal-records.ts';
import type { LoginDependencies } from './session/found.ts';
import { longestMs } from './session/login.ts';
import type { LoginWait } from './session/login-wait.ts';
import { Register } from './session/register.ts';

const WARM_DEADLINE_MS = 2_000;
const LOGOUT_DEADLINE_MS = 5_000;

export interface MintingOptions {
  /** Where the token may be; it is taken out. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  readonly loginWait: LoginWait;
}

/** What no configuration changes while the daemon lives. */
interface Standing extends MintingOptions {
  readonly stateDir: string;
  readonly trail: Trail;
  /** Part of the story; a trail that can't be written must not keep the user's other keys away. Never rejects. */
  note(record: Omit<RecordInput, 'phase'>): Promise<void>;
  readonly noteLogin: (report: LoginReport) => void;
  readonly provedNames: ProvedNames;
  readonly register: Register;
  readonly queue: MintQueue;
  /** Token variables as they were before they were taken out of `env`. */
  readonly taken: NodeJS.ProcessEnv;
}

/** A login to OpenBao, as the trail has it. */
function loginRecord({ method, from, by, identity, accessorHash, error }: LoginReport) {
  const common = {
    source: by,
    bao: { method, identity, accessor_hash: accessorHash },
  };
  if (error === undefined) return { ...common, event: 'login.ok' as const, message: from };
  const outcome = error.exit === EXIT.refused ? ('denied' as const) : ('error' as const);
  const { code, message } = error;
  return { ...common, event: 'login.failed' as const, outcome, error_code: code, message };
}

/** What one configuration makes; the former one's access, and with it the token, stays where it would be the same. Throws `config_invalid`. */
function createParts(
  config: Config,
  standing: Standing,
  former?: { openbao: OpenBaoConfig; access: Access },
) {
  const { clock, log, stateDir } = standing;
  const { openbao } = config;
  const { env, taken } = standing;
  const access =
    former !== undefined && isDeepStrictEqual(accessKey(former.openbao), accessKey(openbao))
      ? former.access
      : openAccess(openbao, {
          environment: { env, taken },
          clock,
          notice: ({ code, message, hint }) => log.warn({ code }, `${message} (${hint})`),
          onLogin: standing.noteLogin,
        });
  const { credential } = access;
  let skewMs: number | null = null;
  const onSkew = (ms: number) => {
    const wasFine = skewMs === null || Math.abs(skewMs) <= SKEW_ALLOWANCE_S * 1000;
    skewMs = ms;
    if (wasFine && Math.abs(ms) > SKEW_ALLOWANCE_S * 1000)
      log.warn({ skew_ms: ms }, "this machine's clock and OpenBao's differ");
  };
  const { trail, queue } = standing;
  const { issuance, learn, close } = issuanceParts(config.openbao, {
    clock,
    stateDir,
    trail,
    queue,
    access,
    policy: config.policy,
    onSkew,
  });
  const login: LoginDependencies = {
    clock,
    agent: config.agent,
    lanes: config.lanes,
    knownHosts: new KnownHostsStore(config.agent.knownHosts),
    provedNames: standing.provedNames,
    register: standing.register,
    shared: new SharedIdentities(),
    issuance,
    loginWait: standing.loginWait,
  };
  /** Opens the connection that the first login will use, and learns what only has to be asked once. */
  const warm = async () => {
    try {
      await learn(WARM_DEADLINE_MS);
      access.http.keepReady();
    } catch (thrown) {
      const error = asWardenError(thrown);
      log.warn({ code: error.code }, `not ready to mint: ${error.message} (${error.hint})`);
    }
  };
  const status = (): Status['openbao'] => ({
    addresses: [...openbao.addresses],
    mount: openbao.mount,
    credential: credential.describe(),
    ssh_ca: [...issuance.pins.known()],
    paused: issuance.pause.reason()?.message ?? null,
    skew_ms: skewMs,
    identity: credential.identity() ?? null,
  });
  const longestMintMs = Math.max(0, ...config.lanes.map(longestMs));
  return { openbao, access, login, warm, status, close, longestMintMs };
}

/** Makes what mints. Throws `config_permissions` (state_dir), `config_invalid`. */
export function createMinting(first: Config, options: MintingOptions) {
  const { stateDir } = first;
  ensurePrivateDirectory(stateDir);
  let { audit } = first;
  const kept = createKeptTrail({ ...options, stateDir, audit: () => audit });
  const { clock, log } = options;
  const { trail } = kept;
  const note = async (record: Omit<RecordInput, 'phase'>) => {
    try {
      await trail.append({ phase: 'single', outcome: 'ok', ...record });
    } catch (thrown) {
      const error = asWardenError(thrown);
      log.error({ code: error.code }, `${error.message} (${error.hint})`);
    }
  };
  const failures = new RefusalRecords(clock, (uid, message) => {
    void note({ event: 'agent.refusals_more', outcome: 'denied', caller: { uid }, message });
  });
  const noteLogin = (report: LoginReport) => {
    // A program of the user's own may try in a loop.
    if (report.error !== undefined && !failures.admit(process.getuid?.(), report.error.code)) return;
    void note(loginRecord(report));
  };
  const standing: Standing = {
    ...options,
    stateDir,
    trail,
    note,
    noteLogin,
    provedNames: new ProvedNames(),
    register: new Register(options.clock),
    queue: new MintQueue(),
    taken: {},
  };
  let parts = createParts(first, standing);
  const retired = new Set<typeof parts>();
  const whoWeAre = `warden ${VERSION}, process ${process.pid}`;
  return {
    stateDir,
    note,
    /** For the logins that begin now. */
    get login() {
      return parts.login;
    },
    /** What lets the next requests into OpenBao. */
    get credential() {
      return parts.access.credential;
    },
    /** Revokes the token and forgets it. Throws what stands in the way of revoking it. */
    async logout() {
      const { credential } = parts.access;
      await credential.logout(LOGOUT_DEADLINE_MS);
      return { credential: credential.describe() };
    },
    /** From now on logins are by this configuration, but for its state_dir. Throws `config_invalid`, and then nothing has changed. */
    configure(next: Config) {
      const former = parts;
      parts = createParts(next, standing, former);
      former.login.shared.close();
      if (former.access !== parts.access) standing.loginWait.replaced(former.access.credential);
      audit = next.audit;
      retired.add(former);
      // By then every mint that began with it has had its turn and has ended.
      setTimeout(() => {
        retired.delete(former);
        former.close();
        if (![...retired, parts].some(({ access }) => access === former.access)) void former.access.close();
      }, former.longestMintMs).unref();
    },
    async begin() {
      await note({ event: 'daemon.start', message: whoWeAre });
      kept.begin();
      await parts.warm();
    },
    warm: () => parts.warm(),
    status: () => parts.status(),
    anchorFailure: () => kept.anchorFailure(),
    async close() {
      failures.close();
      await note({ event: 'daemon.stop', message: whoWeAre });
      await kept.close();
      const all = [...retired, parts];
      for (const each of all) each.close();
      await Promise.all([...new Set(all.map(({ access }) => access))].map((access) => access.close()));
    },
  };
}

export type Minting = ReturnType<typeof createMinting>;
