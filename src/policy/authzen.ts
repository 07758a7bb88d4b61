/**
 * OpenID AuthZEN Authorization API 1.0, `POST /access/v1/evaluation`: subject, action, resource, context; a denial is a 200 with
 * `decision: false`. The response's `context` is free: `id`, `reason_user`, `reason_admin` and `obligations` are read where they are
 * there. Left out: evaluations (boxcarred), search, discovery.
 */
import * as z from 'zod';
import type { Engine } from './engine.ts';
import { obligationsSchema } from './question.ts';

const text = z.string().max(1024);
/** The specification shows a text by language or by code. */
const reason = z.union([text, z.record(text, text)]);

const response = z.looseObject({
  decision: z.boolean(),
  context: z
    .looseObject({
      id: text.optional(),
      reason: text.optional(),
      reason_user: reason.optional(),
      reason_admin: reason.optional(),
      obligations: obligationsSchema.optional(),
    })
    .optional(),
});

function firstText(value: z.output<typeof reason> | undefined): string | undefined {
  return typeof value === 'object' ? Object.values(value)[0] : value;
}

export const AUTHZEN: Engine = {
  path: () => 'access/v1/evaluation',
  body({ subject, action, resource, facts, login }, { tenant, system }) {
    return {
      subject: { type: subject.type, id: subject.id, properties: { tenant } },
      action: { name: action },
      resource: { type: resource.type, id: resource.id, properties: { system, tenant } },
      context: { ...facts, ...(login === undefined ? {} : { ssh: login }) },
    };
  },
  read(body) {
    const { decision, context = {} } = response.parse(body);
    return {
      allow: decision,
      id: context.id,
      reason: firstText(context.reason_user) ?? context.reason ?? firstText(context.reason_admin),
      obligations: context.obligations ?? [],
    };
  },
};
