/**
 * Messages of the State Hub, to the worker and from it: asked for when somebody wants them (`--hub`), never kept. Whoever can reach the hub
 * can write one, so they are unverified, and join nothing.
 */
import { looksSecret } from '../../system/secret-shapes.ts';
import type { Hub } from '../../worker/hub.ts';
import type { ReadReport } from '../read-source.ts';
import type { Seen } from '../seen.ts';

/** What is read of the hub in a window, and how far it went. Throws what the hub throws. */
export async function hubMessages(
  hub: Pick<Hub, 'correspondence'>,
  url: string,
  { since, until }: { readonly since: number; readonly until: number },
): Promise<{ readonly report: ReadReport; readonly seen: readonly Seen[] }> {
  const name = `hub ${url}`;
  const { messages, others } = await hub.correspondence();
  const seen = messages
    .filter(({ at }) => at >= since && at < until)
    .map(({ id, from, to, subject, at }): Seen => {
      const about = looksSecret(subject) ? 'the subject looks like a secret' : subject;
      return { at, kind: 'hub', outcome: 'ok', source: name, actor: from, id, message: `to ${to}: ${about}` };
    });
  const last = messages.at(-1)?.at;
  return { report: { name, trust: 'unverified', until: last, broken: others, problem: undefined }, seen };
}
