import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { parseSshArguments } from '../../../src/destination/ssh-arguments.ts';
import { sshPrints } from './workspace.ts';

/** Host, user and port as the arguments alone give them. */
function parsed(args: readonly string[]): (string | undefined)[] | undefined {
  const found = parseSshArguments(['ssh', ...args]);
  if (found === undefined) return undefined;
  const first = (keyword: string) => found.assignments.find((each) => each.keyword === keyword)?.words[0];
  return [found.host, first('user') ?? userInfo().username, first('port') ?? '22'];
}

test.each([
  ['web1'],
  ['user@web1'],
  ['a@b@web1', 'true'],
  ['-l', 'first', 'second@web1'],
  ['first@web1', '-l', 'second'],
  ['-p', '2222', 'web1', '-p', '99'],
  ['-p2222', 'web1'],
  ['-Tp2222', '-vvl', 'joe', 'web1'],
  ['-4CTaxoPort=7', '-p', '8', 'web1'],
  ['-p', '8', '-o', 'Port 7', 'web1'],
  ['-o', 'user = "joe"', 'web1'],
  ['-ouser=joe', 'jim@web1', 'command', '-p', '5'],
  ['web1', '-p', '5', 'command', '-p', '6'],
  ['web1', '--', '-p', '5'],
  ['--', 'web1', '-p', '5'],
  ['-W', 'other:22', '-J', 'jump', '-i', 'key', '-L', '1:h:2', 'web1'],
  ['-oForwardAgent=no', '-oClearAllForwardings=yes', '-l', 'joe', '-s', '--', 'web1', 'sftp'],
  ['ssh://web1'],
  ['ssh://joe@web1:2222'],
  ['ssh://j%6fe@web1:2222/'],
  ['ssh://joe;fingerprint=x@web1'],
  ['ssh://web1:'],
  ['-p', '5', 'ssh://web1:2222'],
  ['-l', 'jim', 'ssh://joe@web1'],
  ['SSH://web1'],
  ['joe@web1:22'],
  ['::1'],
])('%j as ssh -G reads it', (...args) => {
  const printed = sshPrints(['-F', 'none', ...args]);
  expect(printed).toBeDefined();
  expect(parsed(args)).toEqual(['host', 'user', 'port'].map((keyword) => printed?.get(keyword)));
});

test.each([
  [],
  ['-p'],
  ['-p', '22'],
  ['-U', 'web1'],
  ['-h'],
  ['@web1'],
  ['ssh://'],
  ['ssh://web1/path'],
  ['ssh://:22'],
  ['web1', '-U'],
  ['web1', '-p'],
  ['-'],
  ['joe@-oProxyCommand=x'],
  ['--', '-x'],
])('%j is refused by ssh and here', (...args) => {
  expect(sshPrints(['-F', 'none', ...args])).toBeUndefined();
  expect(parsed(args)).toBeUndefined();
});

test('-F, the last one; -P is a tag', () => {
  const found = parseSshArguments(['ssh', '-F', 'a', '-Pwork', 'web1', '-Fb']);
  expect(found).toMatchObject({ configFile: 'b', assignments: [{ keyword: 'tag', words: ['work'] }] });
});
