/**
 * What `warden login` and the daemon say to each other: the daemon leads, and each answer of its is the next step. The person's answers go
 * in the body of a request on the control socket, and nowhere else.
 */
import { either, matching, maybe, type Of, object, orNull, text, truth, word } from './shape.ts';

/** No password is longer. */
const MAX_ANSWER = 4096;

/** `{}` begins a login; with `id` one goes on, with the answer to the question, or without one to wait for what comes next. */
export const loginRequestSchema = object({
  id: maybe(text(64)),
  answer: maybe(text(MAX_ANSWER)),
});
export type LoginRequest = Of<typeof loginRequestSchema>;

/** Whole, however long: cut short it leads nowhere. Nothing in it can steer a terminal or be taken for an option. */
const webAddress = matching(/^https?:\/\/[\x21-\x7e]{1,8192}$/);

export const loginStepSchema = either(
  object({ step: word('ask'), id: text(), text: text(), secret: truth }),
  object({ step: word('visit'), id: text(), url: webAddress, code: orNull(text()) }),
  /** Where the credential comes from, and whose it is as OpenBao says. */
  object({ step: word('done'), credential: text(), identity: orNull(text()) }),
);
export type LoginStep = Of<typeof loginStepSchema>;

export const logoutSchema = object({ credential: text() });
