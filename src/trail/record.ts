/**
 * A record of the trail: one UTF-8 JSON line. Two views of the same allow-list: `recordSchema` reads (strict, with limits),
 * `encodeBody` writes (explicit and ordered, without the cost of a schema on the way of a login).
 * `prev` is the SHA-256 of the bytes of the line before, its newline left out; 64 zeros in the first line.
 * Codes are shaped like Teleport's (`TC000I`): a number for each event; I went well, W denied, E error.
 * Left out, for good: argv and environment.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { ACTOR_TYPES } from '../inventory/actor.ts';
import { sanitizeLine } from '../system/sanitize.ts';
import { MAX_LIST, MAX_OPTION_VALUE, MAX_TEXT } from './limits.ts';
import { isPlainRecord } from './quick-check.ts';
import { refuseSecrets } from './secret-guard.ts';

/** Longest line that is written or read, in bytes, without its newline. */
export const MAX_LINE_BYTES = 64 * 1024;
const MAX_MESSAGE = 512;

/** The `prev` of a trail's first line. */
export const NO_LINE_BEFORE = '0'.repeat(64);

/** Every event that warden writes, with its number; the letter comes from the outcome. Numbers never change meaning. */
export const EVENTS = {
  'daemon.start': 'W0001',
  'daemon.stop': 'W0002',
  /** The configuration was read again: what changed, by name; or it was refused and the former one stays. */
  'config.changed': 'W0003',
  /** Somebody has logged in to OpenBao, or the daemon has by itself. */
  'login.ok': 'W0004',
  'login.failed': 'W0005',
  /** OpenBao is about to be asked. Without one of the next two it is an orphan. */
  'cert.intent': 'W1000',
  'cert.issued': 'W1001',
  'cert.used': 'W1002',
  /** A minted key that was dropped without having signed. */
  'cert.expired': 'W1003',
  /** No certificate came of it. */
  'cert.refused': 'W1004',
  /** A login that got no certificate, before anything was asked of OpenBao. */
  'agent.bind_refused': 'W2001',
  'agent.sign_refused': 'W2002',
  /** How many refusals of a user were counted instead of written, and of which code. */
  'agent.refusals_more': 'W2003',
  /** An owner's program was started for the caller, or was refused: which and why is in `message`. */
  'access.start': 'W5001',
  /** The gate has refused: nothing was asked of OpenBao. */
  'policy.decision': 'W3001',
  /** Somebody lets certificates through without the gate for a while, or has ended that. */
  'policy.break_glass': 'W3002',
  /** The gate was switched on or off, or its cases were put to it. */
  'policy.changed': 'W3003',
  /** A message of the hub was looked at: what is to become of it. */
  'worker.triage': 'W4001',
  /** A reply is about to be sent, and what came of it. */
  'worker.reply': 'W4002',
  'worker.read': 'W4003',
  /** A progress note to the hub. */
  'worker.note': 'W4004',
  /** A command that is run on a schedule has ended. */
  'worker.check': 'W4005',
  'trail.torn': 'W9001',
  /** The trail signed as it was: the note is in `checkpoint`. */
  'trail.checkpoint': 'W9002',
  /** A segment was removed, as the configuration says: the note is in `tombstone`. */
  'trail.removed': 'W9003',
  /** A record did not fit; from now on the reserve's room is used, for what is no intent. */
  'trail.disk_full': 'W9004',
} as const;
export type EventName = keyof typeof EVENTS;

const text = z.string().max(MAX_TEXT);
const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const bodySchema = z.strictObject({
  // Open on reading: a trail that a newer warden wrote to is not tampered with.
  event: z
    .string()
    .regex(/^[a-z]+(\.[a-z_]+)+$/)
    .max(64),
  code: z.string().regex(/^W\d{4}[IWE]$/),
  phase: z.enum(['intent', 'result', 'single']),
  /** An intent has none yet. */
  outcome: z.enum(['ok', 'denied', 'error']).optional(),
  error_code: text.optional(),
  /** Shared by an intent, its result and what became of the certificate. */
  corr: text.optional(),
  actor: z.strictObject({ type: z.enum(ACTOR_TYPES), id: text }).optional(),
  /** The process that asked; `exe` is its program's path. */
  caller: z.strictObject({ uid: count.optional(), pid: count.optional(), exe: text.optional() }).optional(),
  host: text.optional(),
  /** How the host's name was proved, or which part of warden asked. */
  source: text.optional(),
  /** The login name, where it is known. */
  target: text.optional(),
  lane: text.optional(),
  /** The hosts that a forwarded login came through, the user's own login first. */
  via: z.array(text).max(MAX_LIST).readonly().optional(),
  /** The client has sent no bind: nobody knows on which host the certificate was used. */
  unbound: z.literal(true).optional(),
  cert: z
    .strictObject({
      /** Decimal, as sshd writes it. */
      serial: z
        .string()
        .regex(/^\d{1,20}$/)
        .optional(),
      key_id: text.optional(),
      /** `SHA256:…` of the public key. */
      fp: text.optional(),
      /** `SHA256:…` of the CA's key. */
      ca_fp: text.optional(),
      principals: z.array(text).max(MAX_LIST).readonly().optional(),
      /** ISO 8601. */
      valid_after: text.optional(),
      valid_before: text.optional(),
      /** Critical options and extensions; an extension's value is empty. */
      options: z.record(text, z.string().max(MAX_OPTION_VALUE)).optional(),
    })
    .optional(),
  bao: z
    .strictObject({
      request_id: text.optional(),
      mount: text.optional(),
      role: text.optional(),
      address: text.optional(),
      /** Whose token asked: its display name and entity as OpenBao knows them. */
      identity: text.optional(),
      /** How it was logged in: `userpass`. */
      method: text.optional(),
      /** SHA-256 of the accessor of the token. */
      accessor_hash: sha256.optional(),
    })
    .optional(),
  /** What the gate said. */
  policy: z
    .strictObject({
      engine: text.optional(),
      decision_id: text.optional(),
      allow: z.boolean(),
      latency_ms: z.number().nonnegative().optional(),
      /** Why there was no answer. */
      error_code: text.optional(),
      /** The reason of the break-glass under which it was not asked. */
      break_glass: text.optional(),
    })
    .optional(),
  /** A signed note (docs/trail.md). */
  checkpoint: text.optional(),
  tombstone: text.optional(),
  message: text.optional(),
});

/** A line of the trail as it is read: unknown fields, wrong types and overlong values are refused. */
export const recordSchema = z.strictObject({
  v: z.literal(1),
  seq: z.number().int().positive(),
  /** ULID. */
  id: z.string().regex(/^[0-9A-HJKMNP-TV-Z]{26}$/),
  /** ISO 8601, UTC, milliseconds. */
  ts: z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  /** Nanoseconds of the boot's monotonic clock, decimal. */
  mono_ns: z.string().regex(/^\d{1,20}$/),
  boot_id: text,
  ...bodySchema.shape,
  prev: sha256,
});
export type TrailRecord = z.infer<typeof recordSchema>;

/** Parses a line without its newline: the record, or the reason why it is none. */
export function parseRecord(bytes: Buffer): { readonly record: TrailRecord } | { readonly reason: string } {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return { reason: 'it is not JSON' };
  }
  if (isPlainRecord(value)) return { record: value };
  const parsed = recordSchema.safeParse(value);
  if (parsed.success) return { record: parsed.data };
  const issue = parsed.error.issues[0];
  return { reason: `${issue?.path.join('.') || 'record'}: ${issue?.message ?? 'not valid'}` };
}

/** What a caller says; the trail adds v, seq, id, ts, mono_ns, boot_id, code and prev. */
export interface RecordInput extends Omit<z.infer<typeof bodySchema>, 'event' | 'code'> {
  readonly event: EventName;
}

/** The record of a checkpoint: its note. */
export function checkpointRecord(checkpoint: string): RecordInput {
  return { event: 'trail.checkpoint', phase: 'single', outcome: 'ok', checkpoint };
}

/** The stable code of an event with that outcome: `W1001I`, `W1001W`, `W1001E`. */
export function codeOf(event: EventName, outcome: RecordInput['outcome']): string {
  const letter = outcome === 'denied' ? 'W' : outcome === 'error' ? 'E' : 'I';
  return EVENTS[event] + letter;
}

function tooLong(field: string, limit: number): WardenError {
  return new WardenError('limit_exceeded', `a trail record's ${field} is longer than ${limit}`, {
    hint: 'nothing was written; shorten the name that warden was given',
  });
}

function bounded(value: string | undefined, field: string, limit: number = MAX_TEXT): string | undefined {
  if (value !== undefined && value.length > limit) throw tooLong(field, limit);
  return value;
}

function viaOf(via: RecordInput['via']): RecordInput['via'] {
  if (via === undefined || via.length === 0) return undefined;
  if (via.length > MAX_LIST) throw tooLong('via', MAX_LIST);
  for (const host of via) bounded(host, 'via');
  return via;
}

function certOf(cert: NonNullable<RecordInput['cert']>): RecordInput['cert'] {
  if (cert.principals !== undefined && cert.principals.length > MAX_LIST) {
    throw tooLong('cert.principals', MAX_LIST);
  }
  for (const principal of cert.principals ?? []) bounded(principal, 'cert.principals');
  for (const [name, value] of Object.entries(cert.options ?? {})) {
    bounded(name, 'cert.options');
    bounded(value, 'cert.options', MAX_OPTION_VALUE);
  }
  return {
    serial: bounded(cert.serial, 'cert.serial', 20),
    key_id: bounded(cert.key_id, 'cert.key_id'),
    fp: bounded(cert.fp, 'cert.fp'),
    ca_fp: bounded(cert.ca_fp, 'cert.ca_fp'),
    principals: cert.principals,
    valid_after: bounded(cert.valid_after, 'cert.valid_after'),
    valid_before: bounded(cert.valid_before, 'cert.valid_before'),
    options: cert.options,
  };
}

/** `message` is for people: it is cut to size and made harmless, where an overlong name is refused. */
function messageOf(message: string | undefined): string | undefined {
  return message === undefined ? undefined : sanitizeLine(message).slice(0, MAX_MESSAGE);
}

/**
 * The caller's part of a line: JSON members without the braces, in the order of notes "A record".
 * Only the allow-listed fields are taken. Throws `limit_exceeded`, and `malformed` if a value looks like a secret.
 */
export function encodeBody(input: RecordInput): string {
  const { actor, caller, cert, bao, policy } = input;
  const json = JSON.stringify({
    event: input.event,
    code: codeOf(input.event, input.outcome),
    phase: input.phase,
    outcome: input.outcome,
    error_code: bounded(input.error_code, 'error_code'),
    corr: bounded(input.corr, 'corr'),
    actor: actor && { type: actor.type, id: bounded(actor.id, 'actor.id') },
    caller: caller && { uid: caller.uid, pid: caller.pid, exe: bounded(caller.exe, 'caller.exe') },
    host: bounded(input.host, 'host'),
    source: bounded(input.source, 'source'),
    target: bounded(input.target, 'target'),
    lane: bounded(input.lane, 'lane'),
    via: viaOf(input.via),
    unbound: input.unbound,
    cert: cert && certOf(cert),
    bao: bao && {
      request_id: bounded(bao.request_id, 'bao.request_id'),
      mount: bounded(bao.mount, 'bao.mount'),
      role: bounded(bao.role, 'bao.role'),
      address: bounded(bao.address, 'bao.address'),
      identity: bounded(bao.identity, 'bao.identity'),
      method: bounded(bao.method, 'bao.method'),
      accessor_hash: bounded(bao.accessor_hash, 'bao.accessor_hash', 64),
    },
    policy: policy && {
      engine: bounded(policy.engine, 'policy.engine'),
      decision_id: bounded(policy.decision_id, 'policy.decision_id'),
      allow: policy.allow,
      latency_ms: policy.latency_ms,
      error_code: bounded(policy.error_code, 'policy.error_code'),
      break_glass: bounded(policy.break_glass, 'policy.break_glass'),
    },
    message: messageOf(input.message),
  });
  const notes = notesOf(input);
  // 512 bytes are more than the fields that the trail adds can take.
  if (Buffer.byteLength(json) + notes.length > MAX_LINE_BYTES - 512) throw tooLong('whole', MAX_LINE_BYTES);
  refuseSecrets(json, notes);
  return json.slice(1, -1) + notes;
}

/** The signed notes of a record, as members behind its others. */
function notesOf({ checkpoint, tombstone }: RecordInput): string {
  if (checkpoint === undefined && tombstone === undefined) return '';
  const notes = {
    checkpoint: bounded(checkpoint, 'checkpoint'),
    tombstone: bounded(tombstone, 'tombstone'),
  };
  return `,${JSON.stringify(notes).slice(1, -1)}`;
}

/** SHA-256 of a line without its newline, as `prev` of the next line has it: lower-case hex. */
export function lineHash(line: string | Buffer): string {
  return hash('sha256', line);
}
