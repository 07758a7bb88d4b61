/**
 * What a connection's dispatcher is given at the start, and everything that follows from its outcomes: records in the trail, the
 * list for `warden why`, counters, the line on the caller's terminal.
 */

import { matchLane } from '../src/catalog/choose.ts';
import type { Lane } from '../src/catalog/lane.ts';
import { parseSshArguments } from '../src/destination/ssh-arguments.ts';
import { asWardenError, type WardenError } from '../src/errors.ts';
import { GateRefusal, type PolicyRecord } from '../src/policy/gate.ts';
import { policyField } from '../src/policy/signing.ts';
import type { Clock } from '../src/system/clock.ts';
import { type PeerCredentials, processInfo, startTimeOf } from '../src/system/peer.ts';
import type { RecordInput } from '../src/trail/record.ts';
import { HeldIdentities } from './keystore/held-identities.ts';
import { LiveIdentities } from './keystore/live-identities.ts';
import type { MintedIdentity } from './keystore/minted-identity.ts';
import type { Log } from './log.ts';
import { MintBudget } from './mint-budget.ts';
import { RefusalRecords } from './refusal-records.ts';
import type { Refusals } from './refusals.ts';
import { type Attempt, type Caller, isForwarded } from './session/attempt.ts';
import type { LoginDependencies } from './session/found.ts';
import { passGateAtSignature } from './session/gate-at-signature.ts';
import { refuseWhileLocked } from './session/locked.ts';
import { certificateFor } from './session/login.ts';
import { isDestinationSocket } from './session/socket-scope.ts';
import { holderOf } from './session/unbound-login.ts';
import type { Teller } from './teller.ts';
import { UpstreamState } from './upstream/upstream-state.ts';

export interface Logins {
  mint(caller: Caller, attempt: Attempt): Promise<MintedIdentity>;
}

export interface Counters {
  minted: number;
  signed: number;
  refused: number;
  /** Minted identities whose keys are there. */
  readonly live: number;
}

export interface Services {
  readonly log: Log;
  /** What all connections know about the agent behind. */
  readonly upstream: UpstreamState;
  /** Undefined: a pure relay. */
  readonly logins: Logins | undefined;
  readonly counters: Counters;
  /** A bound list got no certificate; `alone` says that the caller was shown no identity at all. */
  loginRefused(error: WardenError, attempt: Attempt, peer: PeerCredentials | undefined, alone: boolean): void;
  /** Something that a client sent was refused before it came to a login, or for a key that is not its connection's. */
  requestRefused(error: WardenError, peer: PeerCredentials | undefined): void;
  /** A request for a certificate in a file came to nothing before OpenBao was asked. */
  fileRefused(refusal: RecordInput): void;
  /** A client has bound a session; undefined where the bind was refused. */
  noteSession(peer: PeerCredentials | undefined, sessionId: Buffer | undefined): void;
  /** Asks the gate about the login that is to be signed, where the lane wants that; what it said. Throws GateRefusal. */
  passGate(identity: MintedIdentity, user: string): Promise<PolicyRecord | undefined>;
  signed(identity: MintedIdentity, user: string, policy: PolicyRecord | undefined): void;
  signatureRefused(error: WardenError, identity: MintedIdentity, peer: PeerCredentials | undefined): void;
  /** An identity's connection has ended, or goes on to its next login. */
  identityEnded(identity: MintedIdentity): void;
  /** On a destination socket, the caller's identity of another connection that a sign request's key field means. */
  held(caller: Caller, key: Buffer): MintedIdentity | undefined;
  /** Forgets every minted key at once. Returns how many there were. */
  dropAll(): number;
  upstreamFailed(error: WardenError): void;
  /** Whether a login is between its list and its signature. */
  busy(): boolean;
  /** Writes down what was only counted so far; resolves when every record that was begun is durable or has failed. */
  settled(): Promise<void>;
}

export interface ServicesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly upstreamPath: string | undefined;
  readonly refusals: Refusals;
  readonly teller: Teller;
  /** Undefined: a pure relay, with no trail and nothing to refuse. Looked at anew each time: a reload changes it. */
  readonly login: LoginDependencies | undefined;
}

/** The caller as the trail names it. */
function callerOf(peer: PeerCredentials | undefined, attempt?: Attempt): Pick<RecordInput, 'caller'> {
  if (peer === undefined) return {};
  const exe = attempt?.process?.program?.path;
  return { caller: { uid: peer.uid, pid: peer.pid, ...(exe === undefined ? {} : { exe }) } };
}

/** What the records about one minted identity share. */
function identityRecord({
  minted,
  lane,
  host,
}: MintedIdentity): Pick<RecordInput, 'corr' | 'lane' | 'host' | 'actor'> {
  return { corr: minted.corr, lane: lane.id, host, actor: { type: lane.actor.type, id: lane.actor.name } };
}

/** Who an identity on a destination socket belongs to where the client sends no bind: the socket and its process. */
function holderFor({ bindings, peer, scope }: Caller): string | undefined {
  if (bindings.length > 0 || peer === undefined || !isDestinationSocket(scope)) return undefined;
  const startTime = startTimeOf(peer.pid);
  return startTime === undefined ? undefined : holderOf(scope, { pid: peer.pid, startTime });
}

/** A plain list is no login, and an unlaned host is not warden's: neither is worth a line to the person. */
function worthTelling(error: WardenError, attempt: Attempt, lanes: readonly Lane[]): boolean {
  if (error.code === 'no_binding') return false;
  return (
    attempt.lane !== undefined ||
    attempt.words.candidates.some((word) => matchLane(lanes, word).kind !== 'none')
  );
}

export function createServices(options: ServicesOptions): Services {
  const { clock, log, refusals } = options;
  const budget = new MintBudget(clock);
  const upstream = new UpstreamState(options.upstreamPath);
  const pending = new Set<Promise<void>>();

  /** Appends to the trail without making anybody wait; a failure is the log's. */
  const record = (input: RecordInput) => {
    if (options.login === undefined) return;
    const appended = options.login.issuance.trail.append(input).then(
      () => undefined,
      (thrown: unknown) => log.error({ code: asWardenError(thrown).code }, asWardenError(thrown).message),
    );
    pending.add(appended);
    void appended.finally(() => pending.delete(appended));
  };

  const refusalRecords = new RefusalRecords(clock, (uid, message) => {
    log.warn({ uid }, message);
    const caller = uid === undefined ? {} : { caller: { uid } };
    record({ event: 'agent.refusals_more', phase: 'single', outcome: 'denied', ...caller, message });
  });
  /** Logs and records a refusal, or counts it where its user has had many. */
  const recordRefusal = (
    error: WardenError,
    peer: PeerCredentials | undefined,
    input: Omit<RecordInput, 'phase' | 'error_code' | 'message'>,
    about: object | undefined,
  ) => {
    if (!refusalRecords.admit(peer?.uid, error.code)) return;
    if (about !== undefined) log.warn({ code: error.code, pid: peer?.pid, ...about }, error.message);
    const policy = policyField(error instanceof GateRefusal ? error.record : undefined);
    record({ ...input, ...policy, phase: 'single', error_code: error.code, message: error.message });
  };

  const unused = (identity: MintedIdentity, caller: PeerCredentials | undefined, why: string) => {
    const { forwarded } = identity;
    if (caller !== undefined) budget.noteUnused({ uid: caller.uid, forwarded });
    record({
      event: 'cert.expired',
      phase: 'single',
      outcome: 'ok',
      ...identityRecord(identity),
      message: why,
    });
  };
  const live = new LiveIdentities((identity, caller) =>
    unused(identity, caller, 'its time was over before it was used'),
  );
  const dropUnused = (identity: MintedIdentity) => {
    const caller = live.remove(identity);
    if (!identity.key.alive) return;
    identity.key.drop();
    unused(identity, caller, 'its connection ended before it was used');
  };
  const held = new HeldIdentities(dropUnused);
  let minting = 0;
  const counters = {
    minted: 0,
    signed: 0,
    refused: 0,
    get live() {
      return live.size;
    },
  };

  const loginsBy = (login: LoginDependencies): Logins => ({
    async mint(caller, attempt) {
      const { bindings, peer } = caller;
      if (upstream.locked) refuseWhileLocked(caller, attempt);
      const holder = holderFor(caller);
      const left = holder === undefined ? undefined : held.adopt(holder);
      if (left !== undefined) return left;
      const isLogin = bindings.length > 0 || isDestinationSocket(caller.scope);
      const spender = { uid: peer?.uid ?? -1, forwarded: isForwarded(bindings) };
      const checkBudget = () => {
        if (!isLogin || peer === undefined || !budget.isSpent(spender)) return;
        attempt.process ??= processInfo(peer.pid);
        throw budget.refusal(spender);
      };
      checkBudget();
      minting += 1;
      const identity = await certificateFor(login, caller, attempt, checkBudget).finally(() => {
        minting -= 1;
      });
      if (identity.purpose.holder !== undefined) held.hold(identity.purpose.holder, identity);
      counters.minted += 1;
      live.add(identity, peer);
      log.info(
        {
          lane: identity.lane.id,
          host: identity.host,
          serial: identity.minted.certificate.serial.toString(),
          corr: identity.minted.corr,
        },
        'minted',
      );
      return identity;
    },
  });

  return {
    log,
    upstream,
    get logins() {
      return options.login === undefined ? undefined : loginsBy(options.login);
    },
    counters,
    loginRefused(error, attempt, peer, alone) {
      counters.refused += 1;
      const names = attempt.destination?.names.map(({ name }) => name) ?? [];
      // Of a forwarded login the words are those of the ssh that forwards.
      const typed = attempt.forwarded ? undefined : parseSshArguments(attempt.process?.argv ?? [])?.host;
      // As it was typed comes last: `warden why` is asked by it, but an alias proves nothing.
      const hosts = [
        ...new Set([...names, ...attempt.words.candidates, ...(typed === undefined ? [] : [typed])]),
      ];
      const lane = attempt.lane?.id;
      if (error.code !== 'no_binding') {
        refusals.add(error, {
          hosts,
          ...(lane === undefined ? {} : { lane }),
          ...(peer === undefined ? {} : { pid: peer.pid }),
        });
      }
      const record: Parameters<typeof recordRefusal>[2] = {
        event: 'agent.bind_refused',
        outcome: error.exit === 77 ? 'denied' : 'error',
        ...callerOf(peer, attempt),
        ...(hosts[0] === undefined ? {} : { host: hosts[0] }),
        ...(lane === undefined ? {} : { lane }),
      };
      recordRefusal(error, peer, record, error.code === 'no_binding' ? undefined : { hosts, lane });
      if (peer === undefined || !worthTelling(error, attempt, options.login?.lanes ?? [])) return;
      const hint = error.hint === '' ? 'warden why' : error.hint;
      const text = `no certificate for ${typed ?? hosts[0] ?? 'this host'}: ${error.message} (${hint})`;
      void options.teller.tell(peer, { kind: 'refusal', text, allowPipe: alone });
    },
    fileRefused(refusal) {
      counters.refused += 1;
      const { error_code: code = 'internal', message, caller } = refusal;
      if (!refusalRecords.admit(caller?.uid, code)) return;
      log.warn({ code, pid: caller?.pid, command: refusal.source }, message ?? code);
      record(refusal);
    },
    noteSession(peer, sessionId) {
      if (peer !== undefined) options.login?.register.noteSession(peer.pid, sessionId);
    },
    requestRefused(error, peer) {
      counters.refused += 1;
      const event = error.code === 'sign_refused' ? 'agent.sign_refused' : 'agent.bind_refused';
      recordRefusal(error, peer, { event, outcome: 'denied', ...callerOf(peer) }, {});
    },
    async passGate(identity, user) {
      const gate = options.login?.issuance.gate;
      return gate === undefined ? undefined : passGateAtSignature(gate, identity, user);
    },
    signed(identity, user, policy) {
      counters.signed += 1;
      const caller = live.remove(identity);
      record({
        event: 'cert.used',
        phase: 'single',
        outcome: 'ok',
        ...identityRecord(identity),
        ...callerOf(caller),
        target: user,
        ...policyField(policy),
      });
    },
    signatureRefused(error, identity, peer) {
      counters.refused += 1;
      refusals.add(error, {
        hosts: [identity.host],
        lane: identity.lane.id,
        ...(peer === undefined ? {} : { pid: peer.pid }),
      });
      const record = { event: 'agent.sign_refused', ...identityRecord(identity), ...callerOf(peer) } as const;
      const about = { lane: identity.lane.id, host: identity.host };
      recordRefusal(error, peer, { ...record, outcome: 'denied' }, about);
    },
    identityEnded(identity) {
      const { holder } = identity.purpose;
      if (holder === undefined) dropUnused(identity);
      else held.release(holder, identity);
    },
    held(caller, key) {
      const holder = holderFor(caller);
      return holder === undefined ? undefined : held.find(holder, key);
    },
    dropAll() {
      const dropped = live.dropAll();
      options.login?.shared.dropAll();
      for (const { identity, caller } of dropped) unused(identity, caller, 'all keys were told to go');
      return dropped.length;
    },
    upstreamFailed(error) {
      log.warn({ code: error.code }, error.message);
    },
    busy: () => minting > 0 || live.size > 0,
    async settled() {
      refusalRecords.close();
      await Promise.all(pending);
    },
  };
}
