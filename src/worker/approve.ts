/** A person sends a draft: as it is, or with other words. The same promise as for the worker: at most once, unless the person says `again`. */
import { WardenError } from '../errors.ts';
import { looksSecret } from '../system/secret-shapes.ts';
import { signed } from './answer.ts';
import { changeDrafts, readDrafts } from './drafts.ts';
import { resume, type Sending, sendReply } from './send.ts';

/**
 * Sends the draft for message `id`, marks that read, drops the draft; under the worker's lock. False: it had been sent already. Throws `usage`
 * (no such draft), `hub_failed` (it may have been sent: `again` is wanted), `malformed` (it looks like a secret), and what the hub throws.
 */
export async function approve(
  sending: Sending,
  id: string,
  { body, again }: { readonly body: string | undefined; readonly again: boolean },
): Promise<boolean> {
  const { seen, stateDir } = sending;
  await resume(sending);
  if (seen.lineOf(id)?.as === 'answer') {
    changeDrafts(stateDir, [], [id]);
    return false;
  }
  const draft = readDrafts(stateDir).get(id);
  if (draft === undefined)
    throw new WardenError('usage', `no draft waits for message ${id}`, { hint: 'warden worker drafts' });
  if (draft.maybe_sent === true && !again)
    throw new WardenError('hub_failed', `the reply to ${id} may have been sent already`, {
      hint: `look on the hub; if it is not there: warden worker approve ${id} --again`,
    });
  const text = signed(body ?? draft.body, id);
  if (looksSecret(text))
    throw new WardenError('malformed', 'the reply holds what looks like a secret', {
      hint: 'nothing was sent; say where the secret is, not what it is',
    });
  const { from: to, thread_id: thread, lane } = draft;
  await sendReply(sending, { id, to, thread, body: text, lane, by: 'person' });
  changeDrafts(stateDir, [], [id]);
  return true;
}
