/**
 * flex-auth's `POST /v1/check` (notes/ops-warden.md section 5): a CheckRequest and its DecisionEnvelope. Only the effect `allow`
 * with an `id` (or `request_id`) allows. Left out: the batch check. What warden knows beyond the contract stands in `context.ssh`.
 */
import * as z from 'zod';
import type { Engine } from './engine.ts';
import { obligationsSchema } from './question.ts';

const text = z.string().max(1024);

const envelope = z.looseObject({
  id: text.optional(),
  request_id: text.optional(),
  effect: z.enum(['allow', 'deny', 'redact', 'audit_only', 'not_applicable']),
  reason: text.optional(),
  obligations: obligationsSchema.optional(),
});

export const FLEX_AUTH: Engine = {
  path: () => 'v1/check',
  body({ subject, action, resource, facts, login }, { tenant, system }) {
    return {
      subject: { ...subject, tenant },
      tenant,
      resource: { ...resource, system, tenant },
      action,
      context: { ...facts, ...(login === undefined ? {} : { ssh: login }) },
    };
  },
  read(body) {
    const { id, request_id, effect, reason, obligations = [] } = envelope.parse(body);
    const name = id ?? request_id;
    if (effect === 'allow' && name === undefined)
      return { allow: false, id: name, reason: 'the answer allows it but has no id', obligations };
    return {
      allow: effect === 'allow',
      id: name,
      reason: reason ?? (effect === 'deny' ? undefined : `effect ${effect}`),
      obligations,
    };
  },
};
