/**
 * What is done with each message of one connection (RFC 9987 section 3; OpenSSH's PROTOCOL.agent): the protocol's table of contents.
 * Lists, signatures with minted keys, session-binds and, without an upstream, `query` are answered here; the rest is the upstream's,
 * and so is the answer, byte for byte (session-bind is added to those that `query` names: warden serves it). A lock locks both.
 */
import { asWardenError, WardenError } from '../src/errors.ts';
import type { PeerCredentials } from '../src/system/peer.ts';
import type { MintedIdentity } from './keystore/minted-identity.ts';
import {
  EXTENSION_FAILURE,
  encodeIdentities,
  encodeQueryAnswer,
  encodeSignResponse,
  FAILURE,
  isListRequest,
  LIST_REQUEST,
  MESSAGE,
  parseExtensionName,
  parseSignRequest,
  SESSION_BIND,
  type SignRequest,
  SUCCESS,
  withSessionBind,
} from './protocol/messages.ts';
import type { Services } from './services.ts';
import { type Attempt, type Caller, newAttempt } from './session/attempt.ts';
import { Bindings } from './session/binding.ts';
import { guardSignature } from './session/guard.ts';
import { agentLocked } from './session/locked.ts';
import type { SocketScope } from './session/socket-scope.ts';
import { EMPTY_LIST, type ShownList, shownList } from './upstream/clean-list.ts';
import { Upstream } from './upstream/upstream.ts';

/** An upstream's list when there is nothing else to show. */
const LIST_DEADLINE_MS = 3_000;
/** An upstream's list beside a certificate, which must not wait for it. */
const LIST_BESIDE_DEADLINE_MS = 300;

/** Answers the messages of one connection, one at a time and in order; its state dies with it. */
export class Dispatcher {
  readonly #services: Services;
  readonly #peer: PeerCredentials | undefined;
  readonly #scope: SocketScope;
  readonly #hasHungUp: () => boolean;
  readonly #bindings = new Bindings();
  readonly #upstream: Upstream;
  #identity: MintedIdentity | undefined;
  /** It has listed without a bind, and that was written down: once is enough for a connection. */
  #plain = false;

  /** `scope` is what the socket that the client came in by is for; `hasHungUp` says whether it has closed its connection. */
  constructor(
    services: Services,
    peer: PeerCredentials | undefined,
    scope: SocketScope,
    hasHungUp: () => boolean,
  ) {
    this.#services = services;
    this.#peer = peer;
    this.#scope = scope;
    this.#hasHungUp = hasHungUp;
    this.#upstream = new Upstream(services.upstream);
  }

  /** The answer to one message. Never throws: what can't be done is a FAILURE. */
  async answer(message: Buffer): Promise<Buffer> {
    try {
      switch (message[0]) {
        case MESSAGE.requestIdentities:
          return isListRequest(message) ? await this.#list() : this.refused('a list request with more in it');
        case MESSAGE.signRequest:
          return await this.#sign(message);
        case MESSAGE.extension:
          return await this.#extension(message);
        case MESSAGE.lock:
        case MESSAGE.unlock:
          return await this.#lock(message);
        default:
          return await this.#relay(message);
      }
    } catch (thrown) {
      const error = asWardenError(thrown);
      if (error.code === 'internal') this.#services.log.error({ err: error.cause }, error.message);
      return FAILURE;
    }
  }

  /** Writes down that the client has said what no client says (frames that are none, messages cut short). Returns FAILURE. */
  refused(what: string): Buffer {
    this.#services.requestRefused(new WardenError('malformed', `a request was refused: ${what}`), this.#peer);
    return FAILURE;
  }

  /** Forgets everything; an unused certificate is written down as such. */
  close(): void {
    this.#upstream.close();
    this.#endIdentity();
  }

  #endIdentity(): void {
    const identity = this.#identity;
    this.#identity = undefined;
    if (identity !== undefined) this.#services.identityEnded(identity);
  }

  async #list(): Promise<Buffer> {
    const attempt = newAttempt();
    let refusal: WardenError | undefined;
    try {
      const identity = await this.#mintedIdentity(attempt);
      if (identity !== undefined) {
        const others =
          identity.lane.upstream === 'after' ? await this.#upstreamList(LIST_BESIDE_DEADLINE_MS) : EMPTY_LIST;
        return encodeIdentities([identity.listed(), ...others.identities]);
      }
    } catch (thrown) {
      refusal = asWardenError(thrown);
    }
    const others = await this.#upstreamList(LIST_DEADLINE_MS);
    if (refusal !== undefined) {
      this.#plain = refusal.code === 'no_binding';
      this.#services.loginRefused(refusal, attempt, this.#peer, others.identities.length === 0);
    }
    return others.answer;
  }

  /** This connection's minted identity, made now if it may have one; undefined where nothing is minted at all. */
  async #mintedIdentity(attempt: Attempt): Promise<MintedIdentity | undefined> {
    const { logins, upstream } = this.#services;
    if (this.#identity?.key.alive === true) {
      if (upstream.locked) throw agentLocked();
      return this.#identity;
    }
    if (logins === undefined || (this.#plain && this.#bindings.all.length === 0)) return undefined;
    if (this.#bindings.tainted)
      throw new WardenError('bad_binding', 'an earlier session-bind on this connection was refused');
    // A client that keeps its connection for many logins: the one before is over.
    this.#endIdentity();
    this.#identity = await logins.mint(this.#caller(), attempt);
    // Locked while OpenBao was asked: it stays with the connection and is shown after the unlock.
    if (upstream.locked) throw agentLocked();
    return this.#identity;
  }

  #caller(): Caller {
    return {
      bindings: this.#bindings.all,
      peer: this.#peer,
      scope: this.#scope,
      hasHungUp: this.#hasHungUp,
    };
  }

  async #upstreamList(deadlineMs: number): Promise<ShownList> {
    if (!this.#upstream.configured) return EMPTY_LIST;
    const started = performance.now();
    try {
      const answer = await this.#upstream.request(LIST_REQUEST, deadlineMs);
      return await shownList(answer, deadlineMs - (performance.now() - started));
    } catch (thrown) {
      this.#services.upstreamFailed(asWardenError(thrown));
      return EMPTY_LIST;
    }
  }

  async #sign(message: Buffer): Promise<Buffer> {
    let request: SignRequest;
    try {
      request = parseSignRequest(message);
    } catch (thrown) {
      return this.refused(asWardenError(thrown).message);
    }
    const own = this.#identity?.isMeantBy(request.key) === true ? this.#identity : undefined;
    const identity = own ?? this.#services.held(this.#caller(), request.key);
    if (identity === undefined) return this.#signElsewhere(message);
    try {
      if (this.#services.upstream.locked) throw agentLocked();
      if (!identity.key.alive)
        throw new WardenError(
          'sign_refused',
          'a signature was refused: the key has signed its login, or its time is over',
        );
      const login = guardSignature(request, identity);
      const policy = await this.#services.passGate(identity, login.user);
      const signature = identity.key.signOnce(request.data);
      this.#services.signed(identity, login.user, policy);
      return encodeSignResponse(signature);
    } catch (thrown) {
      this.#services.signatureRefused(asWardenError(thrown), identity, this.#peer);
      return FAILURE;
    }
  }

  /** A signature with a key that is not this connection's: the upstream's, or somebody tries another connection's certificate. */
  async #signElsewhere(message: Buffer): Promise<Buffer> {
    const answer = await this.#relay(message);
    if (answer[0] !== MESSAGE.signResponse) {
      const why = "the key is not this connection's, and no agent behind has signed with it";
      this.#services.requestRefused(
        new WardenError('sign_refused', `a signature was refused: ${why}`),
        this.#peer,
      );
    }
    return answer;
  }

  async #extension(message: Buffer): Promise<Buffer> {
    const name = parseExtensionName(message);
    if (name === SESSION_BIND) return this.#bind(message);
    if (name !== 'query') return this.#relay(message);
    if (!this.#upstream.configured) return encodeQueryAnswer(['query', SESSION_BIND]);
    return withSessionBind(await this.#relay(message));
  }

  /** `ssh-add -x` and `-X`: what the upstream says holds for warden's identities on all connections. Without one, nobody would keep the passphrase. */
  async #lock(message: Buffer): Promise<Buffer> {
    const answer = await this.#relay(message);
    if (answer.equals(SUCCESS)) this.#services.upstream.locked = message[0] === MESSAGE.lock;
    return answer;
  }

  /** A bind is verified here and remembered for the upstream, which may never need it. */
  async #bind(message: Buffer): Promise<Buffer> {
    await this.#upstream.bind(message);
    try {
      await this.#bindings.add(message);
      this.#services.noteSession(this.#peer, this.#bindings.all.at(-1)?.sessionId);
      return SUCCESS;
    } catch (thrown) {
      this.#services.noteSession(this.#peer, undefined);
      this.#services.requestRefused(asWardenError(thrown), this.#peer);
      return EXTENSION_FAILURE;
    }
  }

  async #relay(message: Buffer): Promise<Buffer> {
    if (!this.#upstream.configured) return FAILURE;
    try {
      return await this.#upstream.request(message);
    } catch (thrown) {
      this.#services.upstreamFailed(asWardenError(thrown));
      return FAILURE;
    }
  }
}
