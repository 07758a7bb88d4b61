import { expect, test } from 'vitest';
import { withSwitch } from '../../../src/config/set-in-file.ts';

test.each([
  [
    'a value',
    'a: 1 # x\npolicy:\n  enabled: false # off\n  url: http://h\n',
    'a: 1 # x\npolicy:\n  enabled: true # off\n  url: http://h\n',
  ],
  [
    'a block without it',
    'policy:\n  # where\n  url: http://h\nb: 2\n',
    'policy:\n  # where\n  enabled: true\n  url: http://h\nb: 2\n',
  ],
  ['a flow', 'policy: { url: "http://h" }\n', 'policy: { enabled: true, url: "http://h" }\n'],
  ['a flow that has it', 'policy: {enabled: false, url: h}', 'policy: {enabled: true, url: h}'],
  ['already so', 'policy:\n  enabled: true\n', 'policy:\n  enabled: true\n'],
])('%s: every other byte stays', (_, before, after) => {
  expect(withSwitch(before, 'policy', 'enabled', true)).toBe(after);
});

test.each(['', 'a: 1\n', 'policy:\n', 'policy: yes\n'])('no block in %j', (text) => {
  expect(() => withSwitch(text, 'policy', 'enabled', true)).toThrow('warden.yaml has no block policy');
});
