/**
 * Logging in to OpenBao, and what a token may ask about itself (OpenBao's API documentation, "Token auth method", "/sys/capabilities-self",
 * "/sys/wrapping", "/sys/mfa/validate").
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { errorOf, isDeadToken, loginRefused } from './answers.ts';
import { authCalls, seconds } from './auth-calls.ts';
import { type Authorization, tokenAuthorization } from './headers.ts';
import type { HttpClient } from './http-client.ts';

/** A token as OpenBao gave it, or as it says that it is. */
export interface Grant {
  readonly token: string;
  /** What the token is known by where it can't be used; empty: OpenBao does not say. */
  readonly accessor: string;
  /** Seconds left when it was given; 0 is forever. */
  readonly ttlSeconds: number;
  /** Seconds that it had at first: a renewal that gives much less has met the longest time that it may live. */
  readonly fullTtlSeconds: number;
  readonly renewable: boolean;
  /** How many requests it is good for; 0 is any number. */
  readonly uses: number;
}

/** A second factor that OpenBao wants before it gives the token: one method of each constraint. */
export interface MfaRequirement {
  readonly requestId: string;
  readonly constraints: readonly (readonly MfaMethod[])[];
}

export interface MfaMethod {
  readonly id: string;
  /** `totp`, `duo`, `okta`, `pingid`. */
  readonly type: string;
  readonly usesPasscode: boolean;
}

export interface TokenInfo {
  /** Empty: OpenBao does not say. */
  readonly accessor: string;
  readonly displayName: string;
  readonly entityId: string;
  /** Seconds left; 0 is forever. */
  readonly ttlSeconds: number;
  readonly fullTtlSeconds: number;
  readonly renewable: boolean;
  /** Uses left; 0 is any number. */
  readonly uses: number;
  /** Seconds that it may live, however often it is renewed; 0: by its role and the server's limits. */
  readonly maxTtlSeconds: number;
  /** A batch token: stored nowhere, never renewed. */
  readonly isBatch: boolean;
  readonly policies: readonly string[];
  /** Where it was made, without closing slash; '': in the root namespace, or the server says nothing of it. */
  readonly namespace: string;
}

/** What a token may do at a path; `dead`: OpenBao does not know the token; `hidden`: its policies don't even let it ask. */
export type Capabilities = readonly string[] | 'dead' | 'hidden';

const lookupBody = z.object({
  data: z.object({
    accessor: z.string().default(''),
    display_name: z.string().default(''),
    entity_id: z.string().default(''),
    ttl: seconds,
    creation_ttl: seconds,
    renewable: z.boolean().default(false),
    num_uses: z.number().default(0),
    explicit_max_ttl: seconds,
    type: z.string().default(''),
    policies: z.array(z.string()).nullish(),
    namespace_path: z.string().default(''),
  }),
});
const capabilitiesBody = z.object({ data: z.object({ capabilities: z.array(z.string()) }) });
const unwrapBody = z.object({ data: z.object({ secret_id: z.string().min(1) }) });

export interface AuthEngine {
  /** Logs in at `auth/<path>`. Throws what `errorOf` and the HTTP client throw, and `bao_bad_answer`. */
  login(
    path: string,
    body: Readonly<Record<string, unknown>>,
    deadlineMs: number,
  ): Promise<Grant | MfaRequirement>;
  /** The token behind a second factor: a passcode for each method by its id; an empty one where the method asks the person itself. */
  validateMfa(
    requestId: string,
    passcodes: ReadonlyMap<string, string>,
    deadlineMs: number,
  ): Promise<Grant | MfaRequirement>;
  /** The secret id in a wrapping token, which is then used up. */
  unwrapSecretId(wrapped: string, deadlineMs: number): Promise<string>;
  /** The path that the wrapping token was made by: whoever unwrapped and wrapped anew made it by another. */
  wrappedBy(wrapped: string, deadlineMs: number): Promise<string>;
  renewSelf(authorization: Authorization, token: string, deadlineMs: number): Promise<Grant>;
  revokeSelf(authorization: Authorization, deadlineMs: number): Promise<void>;
  lookupSelf(authorization: Authorization, deadlineMs: number): Promise<TokenInfo>;
  /** What may be done at `path` (`ssh/sign/dev`). */
  capabilities(authorization: Authorization, path: string, deadlineMs: number): Promise<Capabilities>;
}

/** What an MFA requirement is told by. */
export function wantsMfa(answer: Grant | MfaRequirement): answer is MfaRequirement {
  return 'requestId' in answer;
}

/** The calls in `namespace`, where one is given. */
export function authEngine(http: HttpClient, namespace: string | undefined): AuthEngine {
  const { ask, parse, grantOf } = authCalls(http, namespace);

  return {
    async login(path, body, deadlineMs) {
      const where = `auth/${path}`;
      const response = await ask('POST', where, { body, deadlineMs });
      if (response.status === 400 || response.status === 403) throw loginRefused(response, where);
      return grantOf(response, where);
    },
    async validateMfa(requestId, passcodes, deadlineMs) {
      const path = 'sys/mfa/validate';
      const payload = Object.fromEntries(
        [...passcodes].map(([id, passcode]) => [id, passcode === '' ? [] : [passcode]]),
      );
      const body = { mfa_request_id: requestId, mfa_payload: payload };
      const response = await ask('POST', path, { body, deadlineMs });
      if (response.status === 400 || response.status === 403) throw loginRefused(response, path);
      return grantOf(response, path);
    },
    async unwrapSecretId(wrapped, deadlineMs) {
      const path = 'sys/wrapping/unwrap';
      // As the request's own token: in the body it would want another one beside it [tried].
      const response = await ask('POST', path, {
        authorization: tokenAuthorization(wrapped),
        body: {},
        deadlineMs,
      });
      return parse(response, path, unwrapBody).data.secret_id;
    },
    async wrappedBy(wrapped, deadlineMs) {
      const path = 'sys/wrapping/lookup';
      const response = await ask('POST', path, { body: { token: wrapped }, deadlineMs });
      const schema = z.object({ data: z.object({ creation_path: z.string() }) });
      return parse(response, path, schema).data.creation_path;
    },
    async renewSelf(authorization, token, deadlineMs) {
      const path = 'auth/token/renew-self';
      const answer = grantOf(await ask('POST', path, { authorization, body: {}, deadlineMs }), path);
      if (!wantsMfa(answer) && answer.token === token) return answer;
      throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} is about another token`);
    },
    async revokeSelf(authorization, deadlineMs) {
      const path = 'auth/token/revoke-self';
      const response = await ask('POST', path, { authorization, body: {}, deadlineMs });
      if (response.status !== 200 && response.status !== 204) throw errorOf(response, path);
    },
    async lookupSelf(authorization, deadlineMs) {
      const path = 'auth/token/lookup-self';
      const { data } = parse(await ask('GET', path, { authorization, deadlineMs }), path, lookupBody);
      return {
        accessor: data.accessor,
        displayName: data.display_name,
        entityId: data.entity_id,
        ttlSeconds: data.ttl,
        fullTtlSeconds: data.creation_ttl,
        renewable: data.renewable,
        uses: Math.max(0, data.num_uses),
        maxTtlSeconds: data.explicit_max_ttl,
        isBatch: data.type === 'batch',
        policies: data.policies ?? [],
        namespace: data.namespace_path.replace(/\/$/, ''),
      };
    },
    async capabilities(authorization, path, deadlineMs) {
      const where = 'sys/capabilities-self';
      const response = await ask('POST', where, { authorization, body: { paths: [path] }, deadlineMs });
      if (response.status === 403) return isDeadToken(response) ? 'dead' : 'hidden';
      return parse(response, where, capabilitiesBody).data.capabilities;
    },
  };
}
