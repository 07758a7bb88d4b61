/**
 * OPA's data API, `POST /v1/data/<path>` with `{"input": …}`: the rule's value is `result`, and an undefined one is a 200 without it,
 * which denies. A rule is a boolean, or an object with `allow` (and `reason`, `obligations`). `decision_id` is there only where the
 * server logs decisions. The input has AuthZEN's shape. `catalog/policy/` has a policy for it.
 */
import * as z from 'zod';
import { AUTHZEN } from './authzen.ts';
import type { Engine } from './engine.ts';
import { obligationsSchema } from './question.ts';

const text = z.string().max(1024);

const response = z.looseObject({
  result: z
    .union([
      z.boolean(),
      z.looseObject({
        allow: z.boolean(),
        reason: text.optional(),
        obligations: obligationsSchema.optional(),
      }),
    ])
    .optional(),
  decision_id: text.optional(),
});

export const OPA: Engine = {
  path: ({ path }) => `v1/data/${path}`,
  body: (question, asking) => ({ input: AUTHZEN.body(question, asking) }),
  read(body) {
    const { result, decision_id: id } = response.parse(body);
    if (result === undefined)
      return {
        allow: false,
        id,
        reason: 'the policy says nothing: is policy.path right, and the policy loaded?',
        obligations: [],
      };
    if (typeof result === 'boolean') return { allow: result, id, reason: undefined, obligations: [] };
    return { allow: result.allow, id, reason: result.reason, obligations: result.obligations ?? [] };
  },
};
