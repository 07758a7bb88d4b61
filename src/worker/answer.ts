/** The words of an answer: the catalog's, and fixed ones around them. */
import type { LaneFacts } from './lanes.ts';

/** The last line of each reply: by it a reply is found again on the hub. */
export function closing(messageId: string): string {
  return `-- the worker of ops-warden, in answer to message ${messageId}`;
}

/** The answer to a routing question. */
export function answerFrom({ id, title, owner, page, nextAction }: LaneFacts, messageId: string): string {
  return [
    `What serves this: ${id}${title === '' ? '' : ` (${title})`}, owner ${owner || 'not named'}.`,
    `Next: ${nextAction}`,
    ...(page === undefined ? [] : [`Page: ${page}`]),
    `All of it: warden route show ${id}`,
    'No secret is ever sent by message. If this is not what you meant, say so in this thread: a person reads it.',
    '',
    closing(messageId),
  ].join('\n');
}

/** A person's words, or a model's that a person lets pass. */
export function signed(body: string, messageId: string): string {
  return body.includes(closing(messageId)) ? body : `${body.trimEnd()}\n\n${closing(messageId)}`;
}
