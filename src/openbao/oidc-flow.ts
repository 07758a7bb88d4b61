/**
 * Logging in to OpenBao by way of an OpenID Connect provider (OpenBao's docs, "JWT/OIDC auth method", and its API's `oidc/auth_url`,
 * `oidc/callback`, `oidc/poll`): OpenBao is the provider's client and verifies what comes from it. Which way back the login takes
 * is the role's `callback_mode`. Left out: `oidc_response_mode=form_post`, namespaces in the state.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { loginRefused, parseJson } from './answers.ts';
import { authCalls } from './auth-calls.ts';
import type { Grant, MfaRequirement } from './auth-engine.ts';
import type { BaoResponse, HttpClient } from './http-client.ts';

/** OpenBao sends the interval as text. */
const MAX_POLL_SECONDS = 60;
const interval = z.union([z.string().regex(/^\d{1,5}$/), z.number().int()]).transform(Number);
const authUrlBody = z.object({
  data: z.object({
    auth_url: z.string().max(8192),
    state: z.string().optional(),
    poll_interval: interval.optional(),
    user_code: z.string().max(64).optional(),
  }),
});
const errorsBody = z.object({ errors: z.array(z.string()) });

export interface OidcStart {
  /** Of the role; undefined: the mount's default. */
  readonly role: string | undefined;
  readonly redirectUri: string;
  /** A secret of this login: OpenBao gives the token to nobody without it. */
  readonly clientNonce: string;
}

export interface OidcBegun {
  /** http or https, printable ASCII. */
  readonly url: string;
  /** What the person types or compares there. */
  readonly userCode: string | undefined;
  /** How to ask whether it is done; undefined: the browser comes back to `redirectUri` (`callback_mode=client`). */
  readonly poll: { readonly state: string; readonly seconds: number } | undefined;
}

export type Polled = Grant | MfaRequirement | 'pending' | 'slow_down';

export interface OidcFlow {
  /** Throws `login_refused`, what `errorOf` and the HTTP client throw, `bao_bad_answer`; so do the others. */
  begin(start: OidcStart, deadlineMs: number): Promise<OidcBegun>;
  /** The token for what the provider sent back. */
  finish(
    back: { readonly state: string; readonly code: string; readonly clientNonce: string },
    deadlineMs: number,
  ): Promise<Grant | MfaRequirement>;
  poll(login: { readonly state: string; readonly clientNonce: string }, deadlineMs: number): Promise<Polled>;
}

/** What to look at where OpenBao refuses to begin, and says no more: the endpoint is open to everybody. */
const BEGIN_HINT =
  "is openbao.auth.redirect_uri one of the role's allowed_redirect_uris, and can OpenBao reach its provider? Its log says which";

/** The calls of the method at `auth/<mount>`. */
export function oidcFlow(http: HttpClient, namespace: string | undefined, mount: string): OidcFlow {
  const { ask, parse, grantOf } = authCalls(http, namespace);

  const granted = (response: BaoResponse, path: string) => {
    if (response.status === 400 || response.status === 403) throw loginRefused(response, path);
    return grantOf(response, path);
  };

  return {
    async begin({ role = '', redirectUri, clientNonce }, deadlineMs) {
      const path = `auth/${mount}/oidc/auth_url`;
      const body = { role, redirect_uri: redirectUri, client_nonce: clientNonce };
      const response = await ask('POST', path, { body, deadlineMs });
      if (response.status === 400 || response.status === 403) throw loginRefused(response, path);
      const { data } = parse(response, path, authUrlBody);
      if (data.auth_url === '') {
        const why = `OpenBao names no address to log in at for ${role === '' ? 'the default role' : `role ${role}`}`;
        throw new WardenError('login_refused', `${why} with ${redirectUri}`, { hint: BEGIN_HINT });
      }
      const url = URL.canParse(data.auth_url) ? new URL(data.auth_url) : undefined;
      if (url === undefined || !['https:', 'http:'].includes(url.protocol))
        throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} names no address of the web`);
      const { state, poll_interval: wanted } = data;
      const seconds = Math.min(MAX_POLL_SECONDS, Math.max(1, wanted ?? 0));
      return {
        url: url.href,
        userCode: data.user_code,
        poll: state === undefined || wanted === undefined ? undefined : { state, seconds },
      };
    },
    async finish({ state, code, clientNonce }, deadlineMs) {
      const path = `auth/${mount}/oidc/callback`;
      const query = new URLSearchParams({ state, code, client_nonce: clientNonce });
      return granted(await ask('GET', path, { query, deadlineMs }), path);
    },
    async poll({ state, clientNonce }, deadlineMs) {
      const path = `auth/${mount}/oidc/poll`;
      const body = { state, client_nonce: clientNonce };
      const response = await ask('POST', path, { body, deadlineMs });
      if (response.status !== 400) return granted(response, path);
      const errors = errorsBody.safeParse(parseJson(response)).data?.errors ?? [];
      // RFC 8628, section 3.5, which OpenBao answers with in both of its modes that poll.
      if (errors.includes('authorization_pending')) return 'pending';
      if (errors.includes('slow_down')) return 'slow_down';
      throw loginRefused(response, path);
    },
  };
}
