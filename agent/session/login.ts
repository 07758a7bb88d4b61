/**
 * From a connection to a minted identity: who is asking, where the login goes, which lane covers it, and the mint
 * (design.md, "The way of a login"). Everything that stands in the way is a WardenError with what to do.
 */
import type { Lane } from '../../src/catalog/lane.ts';
import { asWardenError, WardenError } from '../../src/errors.ts';
import { mint } from '../../src/issuance/mint.ts';
import { WAIT_DEADLINE_MS } from '../../src/issuance/mint-queue.ts';
import type { PeerCredentials } from '../../src/system/peer.ts';
import { FreshKey } from '../keystore/fresh-key.ts';
import { MintedIdentity } from '../keystore/minted-identity.ts';
import type { Issued } from '../keystore/shared-identities.ts';
import { type Attempt, type Caller, isForwarded } from './attempt.ts';
import { plainKeyOf } from './binding.ts';
import { findDirect } from './direct-login.ts';
import { findForwarded } from './forwarded-login.ts';
import type { Found, LoginDependencies } from './found.ts';
import type { Waiting } from './login-wait.ts';
import type { Register } from './register.ts';
import { isDestinationSocket } from './socket-scope.ts';
import { findUnbound } from './unbound-login.ts';

async function find(d: LoginDependencies, caller: Caller, attempt: Attempt): Promise<Found> {
  const { bindings, peer, scope } = caller;
  const binding = bindings.at(-1);
  if (binding === undefined && !isDestinationSocket(scope)) {
    if (peer !== undefined) d.register.noteSession(peer.pid);
    throw new WardenError('no_binding', 'a list without a session-bind: no login to mint for');
  }
  if (peer === undefined) {
    throw new WardenError('no_peer', 'the caller is unknown: no peer credentials', { hint: 'warden status' });
  }
  if (binding === undefined) return findUnbound(d, scope, peer, attempt);
  attempt.forwarded = isForwarded(bindings);
  if (attempt.forwarded) return findForwarded(d, caller, peer, attempt);
  return findDirect(d, binding, caller, peer, attempt);
}

function issue(
  d: LoginDependencies,
  found: Found,
  peer: PeerCredentials,
  exe: string | undefined,
  check: () => void,
) {
  return async (): Promise<Issued<FreshKey>> => {
    const key = new FreshKey();
    try {
      const minted = await mint(d.issuance, {
        ask: found.lane,
        publicKey: key.publicKey,
        login: { lane: found.lane.id, host: found.host, via: found.via },
        logins: found.lane.logins,
        loginGuess: found.user,
        source: found.source,
        unbound: found.binding === undefined,
        caller: { uid: peer.uid, pid: peer.pid, ...(exe === undefined ? {} : { exe }) },
        check,
      });
      return { minted, key, at: performance.now() };
    } catch (thrown) {
      key.drop();
      throw thrown;
    }
  };
}

/** What logins must have in common to share a certificate: the caller, the way, the destination and what the certificate says. */
function shareName({ lane, host, via, binding }: Found, { uid }: PeerCredentials): string {
  const hostKey = binding?.hostKey.toString('base64') ?? '';
  return JSON.stringify([uid, lane.id, lane.principals, host, hostKey, via]);
}

function waiting({ lane, host, binding }: Found, { hasHungUp }: Caller, peer: PeerCredentials): Waiting {
  const hostKey = binding === undefined ? host : plainKeyOf(binding.hostKey).toString('base64');
  return { lane, host, hostKey, peer, hasHungUp };
}

/** Throws `mint_busy` where there is nobody left to make a certificate for. */
function checkStillThere({ hasHungUp }: Caller): void {
  if (hasHungUp()) throw new WardenError('mint_busy', 'the client hung up before its login had its turn');
}

/**
 * Mints for where the caller's login goes, or throws why not. `attempt` is filled in on the way, also when it throws. `checkBudget` is
 * called once more when the mint's turn has come.
 */
export async function certificateFor(
  d: LoginDependencies,
  caller: Caller,
  attempt: Attempt,
  checkBudget: () => void,
): Promise<MintedIdentity> {
  const found = await find(d, caller, attempt);
  const { lane, binding } = found;
  const { peer } = caller;
  if (peer === undefined) throw new WardenError('no_peer', 'the caller is unknown');
  if (binding !== undefined) serveOnce(d.register, binding.sessionId, lane);
  const shared = lane.reuseMs > 0 && binding !== undefined;
  const issued = issue(d, found, peer, attempt.process?.program?.path, () => {
    checkBudget();
    // A shared one is for others too.
    if (!shared) checkStillThere(caller);
  });
  const take = () => (shared ? d.shared.take(shareName(found, peer), lane.reuseMs, issued) : issued());
  try {
    const identity = await take().catch(async (thrown: unknown) => {
      const refusal = asWardenError(thrown);
      if (refusal.code !== 'no_token') throw refusal;
      await d.loginWait.untilLoggedIn(d.issuance.credential, refusal, waiting(found, caller, peer));
      return take();
    });
    // Once more: its time begins only now, and it may have waited for its turn.
    if (binding !== undefined) d.register.serve(binding.sessionId, lane.ttlSeconds);
    return new MintedIdentity({ ...found, forwarded: found.via.length > 0 }, identity);
  } catch (thrown) {
    if (binding !== undefined) d.register.release(binding.sessionId);
    throw thrown;
  }
}

/** Before the mint, so that a second connection with the same session can't race the first. Throws `replayed_binding`. */
function serveOnce(register: Register, sessionId: Buffer, lane: Lane): void {
  if (register.wasServed(sessionId)) {
    throw new WardenError('replayed_binding', 'this session has had its certificate', {
      hint: 'a new login gets a new one',
    });
  }
  register.serve(sessionId, Math.ceil(longestMs(lane) / 1000));
}

/** How long a mint by this lane may take in all, in milliseconds: after a wait for a login it has its turn once more. */
export function longestMs({ deadlineMs, waitForLoginMs }: Lane): number {
  const once = WAIT_DEADLINE_MS + deadlineMs;
  return waitForLoginMs === 0 ? once : waitForLoginMs + 2 * once;
}
