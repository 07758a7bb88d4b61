/**
 * What the control socket says: JSON over HTTP on a Unix socket in the daemon's private directory, never forwarded. One schema for
 * both ends; zod's small form, since the small commands load nothing else of it.
 */
import * as z from 'zod/mini';
import { ERROR_CODE_NAMES } from '../errors.ts';

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

export const refusedSchema = z.object({
  code: z.enum(ERROR_CODE_NAMES),
  message: z.string(),
  hint: z.string(),
});

export const refusalSchema = z.object({
  /** ISO 8601. */
  time: z.string(),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  hosts: z.array(z.string()),
  lane: z.optional(z.string()),
  pid: z.optional(z.number()),
});
export type Refusal = z.infer<typeof refusalSchema>;

export const stopSchema = z.object({});

export const socketSchema = z.object({ path: z.string() });

export const reloadSchema = z.object({
  /** By name: `lane web added`, `openbao.addr changed`. */
  changes: z.array(z.string()),
  /** Keys that are changed in the file and count after a restart. */
  needs_restart: z.array(z.string()),
  /** Why the configuration was refused and the former one stays, a line each; none: it counts. */
  problems: z.array(z.string()),
});
export type Reload = z.infer<typeof reloadSchema>;

export const whySchema = z.object({ refusals: z.array(refusalSchema) });

export const statusSchema = z.object({
  version: z.string(),
  pid: z.number(),
  /** ISO 8601. */
  started: z.string(),
  socket: z.string(),
  destination_sockets: z.array(z.string()),
  upstream: z.nullable(z.string()),
  config: z.nullable(z.string()),
  /** Why nothing is minted at all, or null. */
  relay_only: z.nullable(z.string()),
  /** Why the configuration, when it was last read again, was refused and the former one stayed, or null. */
  reload_refused: z.nullable(z.string()),
  /** Whether it took a lock (`ssh-add -x`) and no unlock since. */
  locked: z.boolean(),
  lanes: z.array(z.string()),
  warnings: z.array(z.string()),
  openbao: z.nullable(
    z.object({
      addresses: z.array(z.string()),
      mount: z.string(),
      credential: z.string(),
      /** Pinned CAs, `SHA256:…`. */
      ssh_ca: z.array(z.string()),
      /** The failure that logins are being spared, or null. */
      paused: z.nullable(z.string()),
      /** OpenBao's clock minus this one, in milliseconds, as last seen. */
      skew_ms: z.nullable(z.number()),
      identity: z.nullable(z.string()),
    }),
  ),
  connections: z.number(),
  live_certificates: z.number(),
  /** Logins that wait inside the handshake for a person to log in to OpenBao. */
  waiting_for_login: z.number(),
  minted: z.number(),
  signed: z.number(),
  refused: z.number(),
});
export type Status = z.infer<typeof statusSchema>;
