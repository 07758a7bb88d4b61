/** What the attack matrix shares: a daemon whose callers may be anything, genuine binds for its host, and the trail as the judge. */
import { expect } from 'vitest';
import type { Identity } from '../../agent/protocol/messages.ts';
import type { TrailRecord } from '../../src/trail/record.ts';
import { AgentClient, type Bind, encodeLoginData } from '../support/agent-client.ts';
import { syntheticBind } from '../support/binds.ts';
import { readPrivateKey } from '../support/keys.ts';
import type { Rig, RigOptions } from '../support/rig.ts';

/** A raw client is no /usr/bin/ssh: with `ssh` every row would be `not_direct` and say nothing about its own check. */
export const ANY_PEER: RigOptions = { warden: () => ({ agent: { direct_peers: 'any' } }) };

/** A bind of a new session with the rig's sshd, as that server would prove it. */
export function genuineBind(rig: Rig): Bind {
  return syntheticBind(readPrivateKey(rig.sshd.hostKeys[0]?.path ?? ''));
}

/** Uses a new connection to a socket and closes it. */
export async function connected<T>(socket: string, use: (client: AgentClient) => Promise<T>): Promise<T> {
  const client = await AgentClient.connect(socket);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Binds and lists: the one identity, which must be there. */
export async function minted(client: AgentClient, bind: Bind): Promise<Identity> {
  expect(await client.bind(bind)).toBe(true);
  const identities = await client.identities();
  expect(identities.map(({ comment }) => comment)).toEqual([expect.stringMatching(/^warden: /)]);
  const [identity] = identities;
  if (identity === undefined) throw new Error('nothing was minted');
  return identity;
}

/** The login that a bind is for, as ssh would have it signed. */
export function honestLogin(rig: Rig, bind: Bind, { blob }: Identity): Buffer {
  return encodeLoginData({
    sessionId: bind.sessionId,
    user: rig.sshd.user,
    key: blob,
    hostKey: bind.hostKey,
  });
}

/** Refusals in the trail after what was there when this was called. */
export function watchRefusals(rig: Rig): () => TrailRecord[] {
  const before = rig.warden.trail().at(-1)?.seq ?? 0;
  return () => rig.warden.trail().filter(({ seq, event }) => seq > before && event.endsWith('_refused'));
}

/** Waits for exactly these refusals (`event code`) and returns their messages, joined. */
export async function expectRefusals(
  refusals: () => readonly TrailRecord[],
  wanted: readonly string[],
): Promise<string> {
  await expect
    .poll(() => refusals().map(({ event, error_code }) => `${event} ${error_code}`))
    .toEqual(wanted);
  for (const record of refusals()) {
    expect(record).toMatchObject({
      outcome: 'denied',
      caller: { uid: process.getuid?.(), pid: process.pid },
    });
  }
  return refusals()
    .map(({ message }) => message)
    .join('\n');
}

/** An ordinary login with ssh at the end of it all. */
export async function expectHonestLogin(rig: Rig): Promise<void> {
  expect(await rig.login({ command: ['echo', 'in'] })).toMatchObject({ stdout: 'in\n', code: 0 });
}
