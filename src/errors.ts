/**
 * Every failure that warden explains to a person: one class, a stable code, one sentence of what happened,
 * one sentence of what to do. Codes are written to the trail and shown by `warden why`; they never change meaning.
 */

/** Exit codes of the command line (sysexits.h where it has one): `../shared/interface.md`, "Commands". */
export const EXIT = {
  ok: 0,
  no: 1,
  usage: 64,
  data: 65,
  unavailable: 69,
  software: 70,
  again: 75,
  refused: 77,
  config: 78,
  /** Of `access --exec`, as env(1) has them. */
  failed: 125,
  notAllowed: 126,
  missing: 127,
} as const;

/** Each stable code, with the exit code that a command ends with when it is the reason. */
export const ERROR_CODES = {
  // input
  usage: EXIT.usage,
  malformed: EXIT.data,
  bad_key: EXIT.data,
  bad_certificate: EXIT.data,
  limit_exceeded: EXIT.data,
  // configuration
  config_invalid: EXIT.config,
  config_missing: EXIT.config,
  config_permissions: EXIT.config,
  socket_path: EXIT.config,
  socket_in_use: EXIT.unavailable,
  /** More connections than the process may have open files. */
  no_descriptors: EXIT.again,
  // destination and lane: why an agent minted nothing
  no_binding: EXIT.refused,
  bad_binding: EXIT.refused,
  replayed_binding: EXIT.refused,
  forwarded: EXIT.refused,
  not_direct: EXIT.refused,
  no_peer: EXIT.refused,
  unknown_host_key: EXIT.refused,
  revoked_host_key: EXIT.refused,
  no_lane: EXIT.refused,
  /** A destination socket that is not for this login. */
  wrong_socket: EXIT.refused,
  /** More logins wait for OpenBao than there is room or time for, or one has waited longer than its client. */
  mint_busy: EXIT.again,
  ambiguous_host_key: EXIT.refused,
  actor_not_allowed: EXIT.refused,
  /** More than the inventory grants the actor. */
  not_granted: EXIT.refused,
  rate_limited: EXIT.again,
  /** `ssh-add -x`. */
  agent_locked: EXIT.refused,
  // signing guard
  sign_refused: EXIT.refused,
  // OpenBao
  no_token: EXIT.refused,
  /** OpenBao does not know the token any more; where warden can log in by itself, the next request has another. */
  token_expired: EXIT.refused,
  login_refused: EXIT.refused,
  /** No connection: nothing was sent. */
  bao_unreachable: EXIT.unavailable,
  /** The connection broke after it was made: OpenBao may have done what it was asked. */
  bao_disconnected: EXIT.unavailable,
  bao_timeout: EXIT.unavailable,
  bao_sealed: EXIT.unavailable,
  bao_unavailable: EXIT.unavailable,
  bao_paused: EXIT.again,
  bao_denied: EXIT.refused,
  bao_rate_limited: EXIT.again,
  bao_bad_request: EXIT.refused,
  bao_bad_answer: EXIT.unavailable,
  // other credentials: env(1)'s codes for a program that is not run
  program_not_allowed: EXIT.notAllowed,
  program_missing: EXIT.missing,
  // the gate
  policy_denied: EXIT.refused,
  policy_unavailable: EXIT.unavailable,
  // the State Hub
  /** Nothing was sent. */
  hub_unreachable: EXIT.unavailable,
  /** It may have done what it was asked. */
  hub_failed: EXIT.unavailable,
  hub_refused: EXIT.refused,
  // the certificate that came back
  certificate_refused: EXIT.refused,
  unexpected_ca: EXIT.refused,
  // trail
  trail_unwritable: EXIT.unavailable,
  trail_locked: EXIT.again,
  trail_tampered: EXIT.no,
  /** Where the trail is exported to. */
  receiver_unreachable: EXIT.unavailable,
  // what else lives in state_dir
  state_unwritable: EXIT.unavailable,
  /** Another process changes it. */
  file_locked: EXIT.again,
  // the daemon
  not_running: EXIT.unavailable,
  upstream_unavailable: EXIT.unavailable,
  platform: EXIT.unavailable,
  internal: EXIT.software,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

function isErrorCode(name: string): name is ErrorCode {
  return name in ERROR_CODES;
}

export const ERROR_CODE_NAMES = Object.keys(ERROR_CODES).filter(isErrorCode);

export interface ErrorDetail {
  /** What the person can do about it; one sentence, no newline. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** How long whoever refused wants to be left alone, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** An error with a stable `code`, a one-line `message` (what happened) and a `hint` (what to do). */
export class WardenError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'WardenError';
    this.code = code;
    this.hint = detail.hint ?? '';
    this.retryAfterMs = detail.retryAfterMs;
  }

  /** The exit code of a command that ends because of this error. */
  get exit(): number {
    return ERROR_CODES[this.code];
  }
}

/** One that another bundle of the command line has thrown: it has a class of its own. */
function fromAnotherBundle(thrown: unknown): WardenError | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || !('hint' in thrown)) return undefined;
  const { code, hint, message } = thrown;
  if (typeof code !== 'string' || typeof hint !== 'string' || !isErrorCode(code)) return undefined;
  return new WardenError(code, message, { hint, cause: thrown });
}

/** Any thrown thing as a WardenError; what is not one becomes `internal` (a defect, not a situation). */
export function asWardenError(thrown: unknown): WardenError {
  if (thrown instanceof WardenError) return thrown;
  const known = fromAnotherBundle(thrown);
  if (known !== undefined) return known;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new WardenError('internal', message, {
    cause: thrown,
    hint: 'this is a defect in warden: please report it',
  });
}

/** The system's error name (`ENOSPC`, `ECONNREFUSED`…) of a thrown thing, or an empty string: warden's own codes are none. */
export function errnoOf(thrown: unknown): string {
  if (thrown instanceof WardenError) return '';
  if (thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return '';
}
