/** The answer to `query` of an agent behind: session-bind is among its names, and nothing else is changed. */
import { expect, test } from 'vitest';
import { MAX_FRAME } from '../../../../agent/protocol/frames.ts';
import {
  encodeQueryAnswer,
  FAILURE,
  SESSION_BIND,
  withSessionBind,
} from '../../../../agent/protocol/messages.ts';
import { Writer } from '../../../../src/ssh/wire.ts';

test('session-bind is added where it is missing', () => {
  const answer = encodeQueryAnswer(['query', 'foo@example.com']);
  expect(withSessionBind(answer)).toEqual(encodeQueryAnswer(['query', 'foo@example.com', SESSION_BIND]));
});

test.each([
  ['one that names it already', encodeQueryAnswer([SESSION_BIND, 'query'])],
  ['FAILURE', FAILURE],
  ['an answer to another extension', new Writer().u8(29).string('foo@example.com').done()],
  ['an answer cut short', encodeQueryAnswer(['query']).subarray(0, -1)],
  ['no body', Buffer.from([29])],
  ['one that fills its frame', encodeQueryAnswer(['x'.repeat(MAX_FRAME - 40)])],
])('%s passes as it is', (_what, answer) => {
  // Not toEqual: it looks at each of a frame's bytes by itself, for seconds.
  expect(withSessionBind(answer).equals(answer)).toBe(true);
});
