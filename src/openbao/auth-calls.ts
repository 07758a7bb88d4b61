/**
 * What the calls that log in or are about a token have in common: a request with any answer, the answer through its schema, the token in
 * it. HashiCorp Vault answers alike; whatever is missing has a default.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { errorOf, parseJson } from './answers.ts';
import type { Grant, MfaRequirement } from './auth-engine.ts';
import { type Authorization, baseHeaders, encodePath, NO_AUTHORIZATION } from './headers.ts';
import type { BaoRequest, BaoResponse, HttpClient } from './http-client.ts';

export const seconds = z.number().nonnegative().default(0);
const methodBody = z.object({ id: z.string(), type: z.string(), uses_passcode: z.boolean().default(false) });
const authBody = z.object({
  auth: z.object({
    client_token: z.string().default(''),
    accessor: z.string().default(''),
    lease_duration: seconds,
    renewable: z.boolean().default(false),
    num_uses: z.number().default(0),
    mfa_requirement: z
      .object({
        mfa_request_id: z.string(),
        mfa_constraints: z.record(z.string(), z.object({ any: z.array(methodBody).min(1) })),
      })
      .nullish(),
  }),
});

export interface AuthCall {
  /** None by default. */
  readonly authorization?: Authorization;
  readonly body?: Readonly<Record<string, unknown>> | undefined;
  /** Behind the path's `?`. */
  readonly query?: URLSearchParams;
  readonly deadlineMs: number;
}

export interface AuthCalls {
  /** Any answer, a refusal too. Throws what the HTTP client throws. */
  ask(method: BaoRequest['method'], path: string, call: AuthCall): Promise<BaoResponse>;
  /** What `schema` makes of a success. Throws what `errorOf` throws, and `bao_bad_answer`. */
  parse<T>(response: BaoResponse, path: string, schema: z.ZodType<T>): T;
  /** The token in the answer of a login or renewal, or what is wanted before there is one. Throws as `parse`. */
  grantOf(response: BaoResponse, path: string): Grant | MfaRequirement;
}

/** The calls in `namespace`, where one is given. */
export function authCalls(http: HttpClient, namespace: string | undefined): AuthCalls {
  const base = baseHeaders(namespace);

  const parse = <T>(response: BaoResponse, path: string, schema: z.ZodType<T>): T => {
    if (response.status !== 200) throw errorOf(response, path);
    const parsed = schema.safeParse(parseJson(response));
    if (parsed.success) return parsed.data;
    // Not the parser's error: it may repeat what it read, and that is a token.
    throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} is not what it should be`, {
      hint: 'is openbao.addr really an OpenBao, and openbao.auth.mount the method that it should be?',
    });
  };

  const grantOf = (response: BaoResponse, path: string): Grant | MfaRequirement => {
    const { auth } = parse(response, path, authBody);
    const mfa = auth.mfa_requirement;
    if (mfa !== undefined && mfa !== null) {
      const constraints = Object.values(mfa.mfa_constraints).map(({ any }) =>
        any.map(({ id, type, uses_passcode }) => ({ id, type, usesPasscode: uses_passcode })),
      );
      return { requestId: mfa.mfa_request_id, constraints };
    }
    if (!/^[\x21-\x7e]+$/.test(auth.client_token))
      throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} holds no token`);
    return {
      token: auth.client_token,
      accessor: auth.accessor,
      ttlSeconds: auth.lease_duration,
      fullTtlSeconds: auth.lease_duration,
      renewable: auth.renewable,
      uses: Math.max(0, auth.num_uses),
    };
  };

  return {
    ask: (method, path, { authorization = NO_AUTHORIZATION, body, query, deadlineMs }) =>
      http.request({
        method,
        path: query === undefined ? encodePath(path) : `${encodePath(path)}?${query}`,
        headers: { ...base, ...authorization },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        deadlineMs,
        repeatable: true,
      }),
    parse,
    grantOf,
  };
}
