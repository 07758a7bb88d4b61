/**
 * What the control socket says: JSON over HTTP on a Unix socket in the daemon's private directory, never forwarded. One form of
 * each message for both ends.
 */
import { ERROR_CODE_NAMES } from '../errors.ts';
import { list, maybe, number, type Of, object, orNull, text, truth, word } from './shape.ts';

/** What can be asked: `GET status`, `GET why?host=NAME`, `POST socket?host=…&lane=…&login=…`, `POST reload`, `POST logout`, `POST stop`; `POST sign` with a `FileRequest` as its body, `POST login` with a `LoginRequest`. */
export const CONTROL_PATHS = {
  status: '/v1/status',
  why: '/v1/why',
  socket: '/v1/socket',
  sign: '/v1/sign',
  login: '/v1/login',
  logout: '/v1/logout',
  reload: '/v1/reload',
  stop: '/v1/stop',
} as const;

/** The HTTP status of an order that was understood and refused; the body says why. */
export const REFUSED = 422;

export const refusedSchema = object({
  code: word(...ERROR_CODE_NAMES),
  message: text(),
  hint: text(),
});

export const refusalSchema = object({
  /** ISO 8601. */
  time: text(),
  code: text(),
  message: text(),
  hint: text(),
  hosts: list(text()),
  lane: maybe(text()),
  pid: maybe(number),
});
export type Refusal = Of<typeof refusalSchema>;

export const stopSchema = object({});

export const socketSchema = object({ path: text() });

export const reloadSchema = object({
  /** By name: `lane web added`, `openbao.addr changed`. */
  changes: list(text()),
  /** Keys that are changed in the file and count after a restart. */
  needs_restart: list(text()),
  /** Why the configuration was refused and the former one stays, a line each; none: it counts. */
  problems: list(text()),
});
export type Reload = Of<typeof reloadSchema>;

export const whySchema = object({ refusals: list(refusalSchema) });

export const statusSchema = object({
  version: text(),
  pid: number,
  /** ISO 8601. */
  started: text(),
  socket: text(),
  destination_sockets: list(text()),
  upstream: orNull(text()),
  config: orNull(text()),
  /** Why nothing is minted at all, or null. */
  relay_only: orNull(text()),
  /** Why the configuration, when it was last read again, was refused and the former one stayed, or null. */
  reload_refused: orNull(text()),
  /** Whether it took a lock (`ssh-add -x`) and no unlock since. */
  locked: truth,
  lanes: list(text()),
  warnings: list(text()),
  openbao: orNull(
    object({
      addresses: list(text()),
      mount: text(),
      credential: text(),
      /** Pinned CAs, `SHA256:…`. */
      ssh_ca: list(text()),
      /** The failure that logins are being spared, or null. */
      paused: orNull(text()),
      /** OpenBao's clock minus this one, in milliseconds, as last seen. */
      skew_ms: orNull(number),
      identity: orNull(text()),
    }),
  ),
  connections: number,
  live_certificates: number,
  /** Logins that wait inside the handshake for a person to log in to OpenBao. */
  waiting_for_login: number,
  minted: number,
  signed: number,
  refused: number,
});
export type Status = Of<typeof statusSchema>;
