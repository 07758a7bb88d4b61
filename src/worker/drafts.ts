/** Replies that wait for a person, in `<state_dir>/worker-drafts.json`; changed only under the worker's lock. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errnoOf, WardenError } from '../errors.ts';
import { replaceFile } from '../system/replace-file.ts';

const FILE = 'worker-drafts.json';

const draft = z.strictObject({
  message_id: z.string(),
  from: z.string(),
  subject: z.string(),
  body: z.string(),
  thread_id: z.string().optional(),
  /** Of an answer from the catalog; without it the words are a model's. */
  lane: z.string().optional(),
  /** ISO 8601. */
  made: z.string(),
  /** It may have been sent: a worker was killed, or the hub broke off. */
  maybe_sent: z.literal(true).optional(),
});

export type Draft = z.output<typeof draft>;

const file = z.strictObject({ v: z.literal(1), drafts: z.array(draft) });

/** By message, the oldest first. Throws `malformed`. */
export function readDrafts(stateDir: string): ReadonlyMap<string, Draft> {
  const path = join(stateDir, FILE);
  if (!existsSync(path)) return new Map();
  try {
    const { drafts } = file.parse(JSON.parse(readFileSync(path, 'utf8')));
    return new Map(drafts.map((each) => [each.message_id, each]));
  } catch (cause) {
    throw new WardenError('malformed', `${path} holds no drafts of the worker`, {
      hint: 'correct it, or move it away',
      cause,
    });
  }
}

/** Adds drafts and takes others out. Throws `malformed`, `state_unwritable`. */
export function changeDrafts(stateDir: string, add: readonly Draft[], remove: readonly string[] = []): void {
  const drafts = new Map(readDrafts(stateDir));
  for (const id of remove) drafts.delete(id);
  for (const each of add) drafts.set(each.message_id, each);
  try {
    replaceFile(join(stateDir, FILE), `${JSON.stringify({ v: 1, drafts: [...drafts.values()] }, null, 2)}\n`);
  } catch (cause) {
    throw new WardenError('state_unwritable', `can't write the drafts in ${stateDir}: ${errnoOf(cause)}`, {
      hint: 'make state_dir writable for yourself',
      cause,
    });
  }
}
