/** The three dialects that the gate speaks, behind one shape: where a question is posted, what it says, how the answer is read. */
import type { PolicyConfig } from '../config/config.ts';
import { AUTHZEN } from './authzen.ts';
import { FLEX_AUTH } from './flex-auth.ts';
import { OPA } from './opa.ts';
import type { Answer, Question } from './question.ts';

/** What the configuration adds to each question. */
export type Asking = Pick<PolicyConfig, 'tenant' | 'system' | 'path'>;

export interface Engine {
  /** Behind the base address, without a leading slash. */
  path(asking: Asking): string;
  /** JSON. */
  body(question: Question, asking: Asking): object;
  /** Reads the JSON of a 200. Throws ZodError where it is not of the dialect. */
  read(body: unknown): Answer;
}

export const ENGINES: Readonly<Record<PolicyConfig['engine'], Engine>> = {
  'flex-auth': FLEX_AUTH,
  authzen: AUTHZEN,
  opa: OPA,
};
