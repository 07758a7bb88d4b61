/**
 * What OpenBao's statuses and error strings mean to a person (OpenBao's `api/` client, `logical/ssh/path_issue_sign.go`;
 * matched without regard to case). An answer that is not OpenBao's JSON is `bao_bad_answer`, whatever its status.
 */
import * as z from 'zod';
import { type ErrorCode, WardenError } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import type { BaoResponse } from './http-client.ts';

const errorBody = z.object({ errors: z.array(z.string()) });

/** More of a reason is not looked at: it is cut to one line, and the pattern below takes the square of a long number's length. */
const MAX_REASON = 2_000;

/** What OpenBao says, on one line and without the frame that its router puts around it (go-multierror: "1 error occurred:\n\t* …"). */
function reasonOf(errors: readonly string[]): string {
  const reasons = errors.join('; ').slice(0, MAX_REASON);
  const text = reasons.replace(/\d{1,4} errors? occurred:\s*\* /g, '');
  return sanitizeLine(text.replace(/\s+/g, ' ').trim()) || 'no reason given';
}

/**
 * Whether a 403 is about the token itself: unknown, expired, revoked or used up. OpenBao then answers before its router, without the
 * router's frame, or says `invalid token`; a policy's refusal is framed [tried on 2.7.2]. Vault names the invalid token as well.
 */
export function isDeadToken(response: BaoResponse): boolean {
  const parsed = errorBody.safeParse(parseJson(response));
  const errors = parsed.success ? parsed.data.errors : [];
  return errors.some((text) => text.trim() === 'permission denied' || /invalid token|bad token/i.test(text));
}

/** The JSON of an answer, or `bao_bad_answer`. */
export function parseJson(response: BaoResponse): unknown {
  try {
    return JSON.parse(response.body);
  } catch (cause) {
    const kind = String(response.headers['content-type'] ?? 'no content type');
    throw new WardenError(
      'bao_bad_answer',
      `${response.address} answered ${response.status} with ${sanitizeLine(kind)}, not OpenBao's JSON`,
      {
        hint: 'is openbao.addr really an OpenBao, or a proxy or login page in front of it?',
        cause,
      },
    );
  }
}

/** What a 400 complains about, in the words of warden's configuration, and what to do about it. */
const BAD_FIELDS: readonly (readonly [RegExp, string, string])[] = [
  [/unknown role/i, 'role', 'create the role, or correct ssh.role of the lane / openbao.role_map'],
  [
    /valid_principals|any principals/i,
    'principals',
    "add them to the role's allowed_users, or correct ssh.principals of the lane",
  ],
  [/ttl is larger|invalid ttl/i, 'ttl', "lower ssh.ttl of the lane, or raise the role's max_ttl"],
  [
    /extensions .*allowed/i,
    'extensions',
    "correct ssh.extensions of the lane, or the role's allowed_extensions",
  ],
  [
    /critical options .*allowed/i,
    'critical_options',
    "correct ssh.critical_options of the lane, or the role's allowed_critical_options",
  ],
  [/key_id/i, 'key_id', 'set openbao.key_id: none, or allow_user_key_ids=true on the role'],
  [
    /public_key|key type|key requirements/i,
    'public_key',
    "let the role's allowed_user_key_lengths include ed25519",
  ],
  [
    /issuer/i,
    'issuer',
    "configure the mount's CA: bao write ssh/config/ca generate_signing_key=true key_type=ed25519",
  ],
];

function badRequest(reason: string): { field: string; hint: string } {
  const found = BAD_FIELDS.find(([pattern]) => pattern.test(reason));
  return found === undefined
    ? { field: 'request', hint: 'compare the lane with the role: bao read ssh/roles/ROLE' }
    : { field: found[1], hint: found[2] };
}

/** Why a login was refused (`auth/approle/login`). OpenBao says 403 without a reason where nothing is mounted. */
export function loginRefused(response: BaoResponse, what: string): WardenError {
  const parsed = errorBody.safeParse(parseJson(response));
  const reason = reasonOf(parsed.success ? parsed.data.errors : []);
  return new WardenError('login_refused', `OpenBao refuses the login at ${what}: ${reason}`, {
    hint:
      response.status === 403
        ? 'is that method mounted there? Compare openbao.auth.mount and openbao.namespace with: bao auth list'
        : 'compare openbao.auth with what its operator has set up',
  });
}

/** What a policy needs for a call with POST. */
export function policyHint(path: string): string {
  return `have a policy of its token grant it: path "${path}" { capabilities = ["update"] }`;
}

/** A node that can't serve just now: another may. */
function elsewhere({ status }: BaoResponse, what: string, reason: string): WardenError {
  return new WardenError('bao_unavailable', `OpenBao answered ${status} on ${what}: ${reason}`, {
    hint: 'name the other nodes in openbao.addr, too',
  });
}

/** Too many requests for a quota of OpenBao's. */
function rateLimited({ headers }: BaoResponse, what: string, reason: string): WardenError {
  // In seconds (RFC 9110, section 10.2.3), where its operator has it sent.
  const seconds = /^\d{1,6}$/.exec(headers['retry-after'] ?? '')?.[0];
  return new WardenError('bao_rate_limited', `OpenBao answered 429 on ${what}: ${reason}`, {
    hint: `a rate limit quota of OpenBao: wait${seconds === undefined ? '' : ` ${seconds} s`}, or ask its operator`,
    retryAfterMs: seconds === undefined ? undefined : Number(seconds) * 1_000,
  });
}

/** The error behind an answer that is no success. `what` names the call: `ssh/sign/dev`. */
export function errorOf(response: BaoResponse, what: string): WardenError {
  // Its body is for browsers.
  if (response.status === 307) return elsewhere(response, what, 'it is a standby that passes nothing on');
  const parsed = errorBody.safeParse(parseJson(response));
  const reason = reasonOf(parsed.success ? parsed.data.errors : []);
  const make = (code: ErrorCode, hint: string) =>
    new WardenError(code, `OpenBao answered ${response.status} on ${what}: ${reason}`, { hint });
  const refuses = (field: string, hint: string) =>
    new WardenError('bao_bad_request', `OpenBao refuses the ${field} on ${what}: ${reason}`, { hint });
  switch (response.status) {
    case 400: {
      const { field, hint } = badRequest(reason);
      return refuses(field, hint);
    }
    case 403:
      return isDeadToken(response)
        ? make('token_expired', 'log in again: the token has expired, was revoked or is used up')
        : make('bao_denied', policyHint(what));
    case 404:
      return /namespace/i.test(reason)
        ? refuses('namespace', 'correct openbao.namespace')
        : refuses('mount', 'is the SSH engine mounted there? Correct openbao.mount, or openbao.namespace');
    case 307:
    case 412:
    case 472:
    case 473:
      return make(
        'bao_unavailable',
        'this node does not serve it: name the other nodes in openbao.addr, too',
      );
    case 429:
      return rateLimited(response, what, reason);
    case 503:
      return /sealed/i.test(reason)
        ? make('bao_sealed', 'unseal it, or ask its operator to: bao operator unseal')
        : make('bao_unavailable', 'wait for a node to become active, or ask its operator');
    default:
      return response.status >= 500
        ? make('bao_unavailable', "look at OpenBao's log")
        : make('bao_bad_answer', 'an answer that warden does not expect: is openbao.addr right?');
  }
}
