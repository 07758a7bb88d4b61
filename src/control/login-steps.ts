/**
 * What `warden login` and the daemon say to each other: the daemon leads, and each answer of its is the next step. The person's answers go
 * in the body of a request on the control socket, and nowhere else.
 */
import * as z from 'zod/mini';

/** No password is longer. */
const MAX_ANSWER = 4096;

/** `{}` begins a login; with `id` one goes on, with the answer to the question, or without one to wait for what comes next. */
export const loginRequestSchema = z.object({
  id: z.optional(z.string().check(z.maxLength(64))),
  answer: z.optional(z.string().check(z.maxLength(MAX_ANSWER))),
});
export type LoginRequest = z.infer<typeof loginRequestSchema>;

/** Whole, however long: cut short it leads nowhere. Nothing in it can steer a terminal or be taken for an option. */
const webAddress = z.string().check(z.regex(/^https?:\/\/[\x21-\x7e]{1,8192}$/));

export const loginStepSchema = z.discriminatedUnion('step', [
  z.object({ step: z.literal('ask'), id: z.string(), text: z.string(), secret: z.boolean() }),
  z.object({ step: z.literal('visit'), id: z.string(), url: webAddress, code: z.nullable(z.string()) }),
  /** Where the credential comes from, and whose it is as OpenBao says. */
  z.object({ step: z.literal('done'), credential: z.string(), identity: z.nullable(z.string()) }),
]);
export type LoginStep = z.infer<typeof loginStepSchema>;

export const logoutSchema = z.object({ credential: z.string() });
