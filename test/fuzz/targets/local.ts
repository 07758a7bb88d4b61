/** Targets: what lies on this machine: lines of the trail, the control socket's answers, a token, and text on its way to a terminal. */
import { validateHeaderValue } from 'node:http';
import { reloadSchema, statusSchema, stopSchema, whySchema } from '../../../src/control/messages.ts';
import { tokenMethod } from '../../../src/credentials/token.ts';
import { sanitizeLine } from '../../../src/system/sanitize.ts';
import {
  codeOf,
  EVENTS,
  type EventName,
  encodeBody,
  MAX_LINE_BYTES,
  parseRecord,
} from '../../../src/trail/record.ts';
import { renderVerification } from '../../../src/trail/verification.ts';
import { must, type Target } from '../target.ts';

function isEvent(name: string): name is EventName {
  return Object.keys(EVENTS).includes(name);
}

/** What a person is shown of a line that somebody changed must be one line that steers no terminal. */
function checkRendering(reason: string): void {
  const none = {
    segments: 1,
    removed: undefined,
    warnings: [],
    warningCount: 0,
    orphans: [],
    orphanCount: 0,
    torn: undefined,
  };
  const problems = [{ file: 'trail.jsonl', line: 1, code: 'not_a_record', message: reason } as const];
  const head = { seq: 1, hash: '' };
  const text = renderVerification({
    intact: false,
    records: 0,
    checkpoints: 0,
    head,
    problems,
    problemCount: 1,
    ...none,
  });
  const lines = text.split('\n');
  must(lines.length === 5 && !/[\p{C}\p{Zl}\p{Zp}]/u.test(lines.join('')), 'a finding is one harmless line');
}

/** Input: a line without its newline. A record that is read can be written again, and is then the same. */
export const trailRecord: Target = {
  name: 'trail-record',
  words: [
    '{',
    '}',
    '"v":1,',
    '"seq":',
    '"event":"cert.issued",',
    '"phase":"result",',
    '"outcome":"ok",',
    '"cert":{',
    '"options":{',
    '"__proto__":',
    '"message":"',
    '\\u001b[2J',
    '1e400',
    '-0',
    'null',
    '"prev":"',
  ],
  run(input) {
    const parsed = parseRecord(input.subarray(0, MAX_LINE_BYTES));
    if ('reason' in parsed) {
      must(parsed.reason !== '', 'there is a reason');
      checkRendering(parsed.reason);
      return `no record: ${parsed.reason.replace(/"[^"]*"|[0-9]+|:.*[^ -~].*/g, '').slice(0, 60)}`;
    }
    const { record } = parsed;
    must('record' in parseRecord(Buffer.from(JSON.stringify(record))), 'a record is one again');
    const { event } = record;
    if (!isEvent(event)) return 'a record of an event that is not known';
    const body = encodeBody({ ...record, event });
    const { v, seq, id, ts, mono_ns, boot_id, prev } = record;
    const head = JSON.stringify({ v, seq, id, ts, mono_ns, boot_id }).slice(1, -1);
    const again = parseRecord(Buffer.from(`{${head},${body},"prev":"${prev}"}`));
    must('record' in again, 'what is written can be read');
    if ('record' in again) {
      const cleaned =
        record.message === undefined ? {} : { message: sanitizeLine(record.message).slice(0, 512) };
      const expected = { ...record, ...cleaned, code: codeOf(event, record.outcome) };
      must(canonical(again.record) === canonical(expected), 'and is the same');
    }
    return `${event} ${record.phase} ${record.outcome}`;
  },
};

/** JSON with the names of each object in order; members that are undefined are left out. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

/** Input: the body of an answer of the control socket. */
export const control: Target = {
  name: 'control',
  words: [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    'null',
    'true',
    '1e999',
    '"refusals":[',
    '"openbao":',
    '"hosts":[',
    '"__proto__":{}',
  ],
  run(input) {
    let value: unknown;
    try {
      value = JSON.parse(input.toString('utf8'));
    } catch {
      return 'no JSON';
    }
    return [statusSchema, whySchema, reloadSchema, stopSchema]
      .map((schema) => {
        if (!schema.is(value)) return 'no';
        must(schema.is(JSON.parse(JSON.stringify(value))), 'an answer is the same again');
        return 'yes';
      })
      .join();
  },
};

/** Input: what stands in the token's variable. What is taken for a token can stand in a header. */
export const token: Target = {
  name: 'token',
  words: ['s.', 'hvs.', '\n', '\r\n', ' ', '\0', '\x7f', '\xe9', '\ufeff'],
  async run(input) {
    const auth = { method: 'token', tokenEnv: ['T'], tokenFile: '/nonexistent/token' } as const;
    const env = { T: input.toString('utf8') };
    const { token: value } = await tokenMethod(auth, { env, taken: {} }).logIn(1_000);
    validateHeaderValue('x-vault-token', value);
    must(/^[!-~]+$/.test(value) && input.toString('utf8').includes(value), 'a token is a word of the text');
    return 'token';
  },
};

export const terminalLine: Target = {
  name: 'terminal-line',
  words: ['\x1b[31m', '\r', '\n', '\u202e', '\u2028', '\u{1f511}', '\u009b', '\ud83d'].map((word) =>
    Buffer.from(word, 'utf8').toString('latin1'),
  ),
  run(input) {
    const line = sanitizeLine(input.toString('utf8'));
    must(line.length <= 400, 'a line has at most 400 characters');
    must(!/[\p{C}\p{Zl}\p{Zp}]/u.test(line), 'nothing in it steers a terminal');
    must(sanitizeLine(line) === line, 'a safe line stays as it is');
    return `${Math.min(5, Math.floor(line.length / 100))}, changed ${line.includes('?')}`;
  },
};
