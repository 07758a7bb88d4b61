/**
 * The messages of the ssh-agent protocol that warden reads or writes itself (RFC 9987; OpenSSH's PROTOCOL.agent for
 * session-bind@openssh.com). All others pass through as bytes. Parsers accept no trailing byte.
 */
import { WardenError } from '../../src/errors.ts';
import { Reader, Writer } from '../../src/ssh/wire.ts';
import { MAX_FRAME } from './frames.ts';

export const MESSAGE = {
  failure: 5,
  success: 6,
  requestIdentities: 11,
  identitiesAnswer: 12,
  signRequest: 13,
  signResponse: 14,
  lock: 22,
  unlock: 23,
  extension: 27,
  extensionFailure: 28,
  extensionResponse: 29,
} as const;

export const SESSION_BIND = 'session-bind@openssh.com';
/** `ssh-agent.c: AGENT_MAX_SID_LEN`. */
export const MAX_SESSION_ID = 128;
/** The most identities that a client takes (`authfd.c: MAX_AGENT_IDENTITIES`). */
export const MAX_IDENTITIES = 2048;

export const LIST_REQUEST = Buffer.from([MESSAGE.requestIdentities]);
export const FAILURE = Buffer.from([MESSAGE.failure]);
export const SUCCESS = Buffer.from([MESSAGE.success]);
export const EXTENSION_FAILURE = Buffer.from([MESSAGE.extensionFailure]);

export interface Identity {
  readonly blob: Buffer;
  readonly comment: string;
}

export interface SignRequest {
  readonly key: Buffer;
  readonly data: Buffer;
  readonly flags: number;
}

export interface SessionBind {
  readonly hostKey: Buffer;
  readonly sessionId: Buffer;
  readonly signature: Buffer;
  readonly forwarded: boolean;
}

/** The body of a message, after its type. */
function bodyOf(message: Buffer): Reader {
  return new Reader(message.subarray(1));
}

/** `byte 12, uint32 n, n × (string blob, string comment)`. What a frame has no room for is left out from the end: ssh would drop the whole list. */
export function encodeIdentities(identities: readonly Identity[]): Buffer {
  const writer = new Writer();
  let count = 0;
  let size = 5;
  for (const { blob, comment } of identities) {
    const bytes = Buffer.from(comment, 'utf8');
    size += 8 + blob.length + bytes.length;
    if (size > MAX_FRAME) break;
    writer.string(blob).string(bytes);
    count += 1;
  }
  return new Writer().u8(MESSAGE.identitiesAnswer).u32(count).raw(writer.done()).done();
}

/** `byte 14, string signature`, where the signature is itself `string algorithm, string bytes`. */
export function encodeSignResponse(signature: Buffer): Buffer {
  return new Writer().u8(MESSAGE.signResponse).string(signature).done();
}

/** The answer to the extension `query` (RFC 9987 section 3.8.1): the names of the extensions that are served. */
export function encodeQueryAnswer(names: readonly string[]): Buffer {
  const writer = new Writer().u8(MESSAGE.extensionResponse).string('query');
  for (const name of names) writer.string(name);
  return writer.done();
}

/** An upstream's answer to `query` with session-bind among the names; as it is where it is no such answer or names it already. */
export function withSessionBind(answer: Buffer): Buffer {
  const fits = answer.length + 4 + SESSION_BIND.length <= MAX_FRAME;
  if (answer[0] !== MESSAGE.extensionResponse || !fits) return answer;
  try {
    const body = bodyOf(answer);
    if (body.text() !== 'query') return answer;
    while (body.remaining > 0) if (body.text() === SESSION_BIND) return answer;
  } catch {
    return answer;
  }
  return new Writer().raw(answer).string(SESSION_BIND).done();
}

/** `byte 13, string key, string data, uint32 flags`. Throws `malformed`. */
export function parseSignRequest(message: Buffer): SignRequest {
  const body = bodyOf(message);
  const request = { key: body.string(), data: body.string(), flags: body.u32() };
  body.end();
  return request;
}

/** The name of an extension request: `byte 27, string name, …`. Throws `malformed`. */
export function parseExtensionName(message: Buffer): string {
  return bodyOf(message).text(256);
}

/** `byte 27, string "session-bind@openssh.com", string hostkey, string session id, string signature, bool is_forwarding`. Throws `malformed`. */
export function parseSessionBind(message: Buffer): SessionBind {
  const body = bodyOf(message);
  body.text(256);
  const hostKey = body.string();
  const sessionId = body.string(MAX_SESSION_ID);
  const signature = body.string();
  const forwarded = body.bool();
  body.end();
  if (sessionId.length === 0) throw new WardenError('malformed', 'malformed SSH data: an empty session id');
  return { hostKey, sessionId, signature, forwarded };
}

/** Whether a message is a list request and nothing else: OpenSSH 9.2 takes trailing bytes here, warden does not. */
export function isListRequest(message: Buffer): boolean {
  return message.length === 1 && message[0] === MESSAGE.requestIdentities;
}

/** An agent's list. Comments are bytes made into text: what isn't UTF-8 is replaced. Throws `malformed`. */
export function parseIdentities(message: Buffer): Identity[] {
  const body = bodyOf(message);
  const count = body.u32();
  if (count > MAX_IDENTITIES) throw new WardenError('limit_exceeded', `${count} identities in one list`);
  const identities: Identity[] = [];
  for (let i = 0; i < count; i += 1)
    identities.push({ blob: body.string(), comment: body.string().toString('utf8') });
  body.end();
  return identities;
}
