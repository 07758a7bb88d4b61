/** Logins while the agent is locked (`ssh-add -x`): nothing is minted, shown or signed until an unlock succeeded. */
import { typedWords } from '../../src/destination/caller-words.ts';
import { WardenError } from '../../src/errors.ts';
import { processInfo } from '../../src/system/peer.ts';
import type { Attempt, Caller } from './attempt.ts';
import { isDestinationSocket } from './socket-scope.ts';

/** Why nothing of warden's is shown, minted or signed with just now. */
export function agentLocked(): WardenError {
  return new WardenError('agent_locked', 'the agent is locked', {
    hint: 'unlock it: ssh-add -X; where the agent behind was restarted since: ssh-add -x, then ssh-add -X',
  });
}

/** Refuses a login that asks now: throws `agent_locked`, after `attempt` got what a refusal is told by. A list that is no login is let by. */
export function refuseWhileLocked({ bindings, peer, scope }: Caller, attempt: Attempt): void {
  if ((bindings.length === 0 && !isDestinationSocket(scope)) || peer === undefined) return;
  attempt.process = processInfo(peer.pid);
  attempt.words = typedWords(attempt.process?.argv ?? []);
  throw agentLocked();
}
