import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { callerWords } from '../../../src/destination/caller-words.ts';
import { agentSocket, expandTokens, variablesOf } from '../../../src/destination/identity-agent.ts';
import { sshPrints, Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const { homedir, username } = userInfo();
const context = { cwd: space.path, home: homedir, localUser: username };
const environment = new Map(Object.entries({ PATH: process.env['PATH'] ?? '' }));
/** A variable as ssh_config(5) writes it. */
const variable = (name: string) => `$\{${name}}`;

async function agents(config: string, ...args: readonly string[]) {
  return (await callerWords(['ssh', '-F', space.file('config', config), ...args], context)).agents;
}

describe('against ssh -G', () => {
  /** The one value, with its variables, has to be what ssh prints. */
  async function agree(config: string, ...args: readonly string[]): Promise<void> {
    const found = await agents(config, ...args);
    const printed = sshPrints(['-F', join(space.path, 'config'), ...args])?.get('identityagent');
    expect(printed).toBeDefined();
    expect(
      found.map((each) => (variablesOf([each]).includes('PATH') ? agentSocket(each, environment) : each)),
    ).toEqual([printed]);
  }

  test.each([
    '/run/agent.sock',
    '~/agent.sock',
    'a~/agent.sock',
    '%d/.ssh/%h-%n-%p-%r-%u-%i-%l.sock',
    '~/%%h/%%',
    `/run/${variable('PATH')}/%h`,
    '"/a path/agent.sock" # why',
    'none',
    'SSH_AUTH_SOCK',
    '$OTHER',
    '/run/$OTHER',
    'relative.sock',
  ])('IdentityAgent %s', async (value) => {
    await agree(`IdentityAgent ${value}\n`, 'Web1');
    await agree(
      `Host web1\n HostName ten.example\n Port 2222\nHost *\n IdentityAgent ${value}\n`,
      'joe@web1',
    );
  });

  test('the first value wins: of the command line, of a Host block, of the final pass', async () => {
    const blocks =
      'Host web1\n IdentityAgent /one\nMatch host web2\n IdentityAgent /two\nHost *\n IdentityAgent /rest\n';
    for (const host of ['web1', 'web2', 'web3']) await agree(blocks, host);
    await agree(blocks, '-oIdentityAgent=/typed', 'web1');
    await agree('Match final\n IdentityAgent /late-%h\n', 'web1');
    await agree('Host web1\n HostName a.example\nMatch final host a.example\n IdentityAgent ~/%h\n', 'web1');
  });
});

describe('what is not certain', () => {
  test('a block that only perhaps applies leaves both values', async () => {
    expect(await agents('Match exec x\n IdentityAgent /in\n', 'web1')).toEqual(['/in', 'SSH_AUTH_SOCK']);
    expect(await agents('Match exec x\n IdentityAgent /in\nHost *\n IdentityAgent /out\n', 'web1')).toEqual([
      '/in',
      '/out',
    ]);
    expect(await agents('IdentityAgent /out\nMatch exec x\n IdentityAgent /in\n', 'web1')).toEqual(['/out']);
  });

  test('a token that may mean two things, or that is not followed', async () => {
    const perhaps = 'Match exec x\n HostName in.example\n Port 5\n User joe\nHost *\n IdentityAgent /run/';
    for (const token of ['%h', '%p', '%r', '%C', '%k', '%q', '%']) {
      expect(await agents(`${perhaps}${token}\n`, 'web1')).toEqual([]);
    }
    expect(await agents(`${perhaps}%n\n`, 'web1')).toEqual(['/run/web1']);
    expect(await agents('IdentityAgent ~joe/agent\n', 'web1')).toEqual([]);
    expect(await agents('Match exec x\n IdentityAgent %C\nHost *\n IdentityAgent /out\n', 'web1')).toEqual(
      [],
    );
  });

  test('a token that holds what would be a variable', () => {
    const tokens = {
      home: `/${variable('X')}`,
      host: 'h',
      originalHost: 'h',
      port: '22',
      remoteUser: 'r',
      localUser: 'u',
    };
    expect(expandTokens('%d/agent', tokens)).toBeUndefined();
    expect(expandTokens('%%/agent', tokens)).toBe('%/agent');
  });
});

test.each([
  ['SSH_AUTH_SOCK', ['SSH_AUTH_SOCK'], '/auth'],
  ['none', [], ''],
  ['/path', [], '/path'],
  ['$SSH_AUTH_SOCK', ['SSH_AUTH_SOCK'], '/auth'],
  ['$UNSET', ['UNSET'], ''],
  [`/x/${variable('A')}-${variable('B')}`, ['A', 'B'], '/x/a-$A'],
  // Only at the front, and what a variable holds is not looked at again.
  ['/x/$A', [], '/x/$A'],
])('the value %s needs %j and leads to %j', (value, variables, socket) => {
  const all = new Map(Object.entries({ SSH_AUTH_SOCK: '/auth', A: 'a', B: '$A' }));
  expect(variablesOf([value])).toEqual(variables);
  expect(agentSocket(value, all)).toBe(socket);
  if (value === 'SSH_AUTH_SOCK') expect(agentSocket(value, new Map())).toBe('');
});
