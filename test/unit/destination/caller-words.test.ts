import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { callerWords, typedWords } from '../../../src/destination/caller-words.ts';
import { lowerCase, withPort } from '../../../src/destination/host-name.ts';
import { sshPrints, Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const me = userInfo().username;
const home = join(space.path, 'home');
mkdirSync(join(home, '.ssh', 'conf.d'), { recursive: true });
const context = { cwd: space.path, home, localUser: me, systemConfig: join(space.path, 'system') };

function words(...args: readonly string[]) {
  return callerWords(['/usr/bin/ssh', ...args], context);
}

/** What ssh -G says: the name that it will look up, that name without a port, and the user. */
function oracle(args: readonly string[]) {
  const printed = sshPrints(args);
  if (printed === undefined) return undefined;
  const host = printed.get('hostname') ?? '';
  const alias = printed.get('hostkeyalias');
  const names = alias === undefined ? [withPort(host, Number(printed.get('port'))), host] : [alias];
  // Names compare in lower case; ssh leaves capitals in what looks like an address.
  return { candidates: [...new Set(names.map(lowerCase))], user: printed.get('user') };
}

/** Where everything can be decided, the candidates are ssh's own, and nothing else. */
async function agree(...args: readonly string[]): Promise<void> {
  const expected = oracle(args);
  expect(expected).toBeDefined();
  const found = await words(...args);
  expect({ candidates: found.candidates, user: found.user }).toEqual(expected);
  // What is decided can stand for the destination; a plain name behind one with a port only as what it is.
  const [first, fallback] = found.candidates;
  expect(found.told).toEqual([
    { name: first },
    ...(fallback === undefined ? [] : [{ name: fallback, fallbackOf: first }]),
  ]);
}

space.file('inc-one.conf', 'Host inc*\n  HostName one.example\nMatch all\n  Port 3001\n');
space.file('inc-two.conf', 'HostName two.example\nUser two\n');
space.file('wants-final.conf', 'Match final\n  Port 4000\n');
const CONFIGS: Readonly<Record<string, string>> = {
  hosts: `
    # comment
    Host web1 web2
      HostName 10.0.0.7
      Port 2222
    Host web*  !web3
      User deploy
    Host "quoted name" q
      HostName="q.example"   # why
    host UPPER
      hostname MIXED.Example
    Host *
      User everyone
      HOSTNAME %h.example.com
  `,
  first: 'Port 1\nPort 2\nHost *\nPort 3\nUser a\nMatch all\nUser b\n',
  alias: 'Host a\n HostKeyAlias AbC\n Port 99\nHost *\n Port 7\n HostName %h%%x\n',
  match: `
    Match host web1
      HostName one.example
    Match host one.example user ${me}
      Port 2001
    Match originalhost web1 localuser ${me},!nobody
      User matched
    Match host=web2,!web3 user=joe
      Port 2002
    Match !host web* !originalhost "db*"
      Port 2003
    Match user matched
      HostKeyAlias by-user
    Match host DB1
      Port 2004
    Match canonical all
      User never
    Match !final host db2
      Port 2005
  `,
  final: `
    Host web1
      HostName %h.one.example
    Host web2
      Match final all
    Match final host web1.one.example
      Port 77
    Host web1.one.example
      HostKeyAlias second
    Match originalhost web1 final
      User late
  `,
  include: `
    Host inc3
      Include ${space.path}/inc-two.conf
    Host *
    Include ${space.path}/inc-o*.conf "${space.path}/missing*.conf"
    Host inc2
      Port 5000
      Include ${space.path}/inc-[s-u]wo.conf
      User after
    Host nothing
      Include ${space.path}/wants-final.conf
  `,
  addresses: 'Host 127.1\n Port 5\nHost six\n HostName ::0:1\n Port 6\n',
};
const HOSTS = [
  'web1',
  'web2',
  'web3',
  'WEB1',
  'db1',
  'DB1',
  'db2',
  'q',
  'UPPER',
  'upper',
  'a',
  'inc1',
  'inc2',
  'inc3',
];
const ODD_HOSTS = [
  '127.1',
  '0x7f.1',
  '010.0.0.1',
  'six',
  '::0:1',
  'FE80::1',
  '::ffff:1.2.3.4',
  'foo.',
  '1.2.3.4.5',
];

describe('against ssh -G', () => {
  test.each(Object.keys(CONFIGS))('the configuration "%s"', async (name) => {
    const file = space.file(`config-${name}`, CONFIGS[name] ?? '');
    for (const host of name === 'addresses' ? ODD_HOSTS : HOSTS) await agree('-F', file, host);
  });

  test.each([
    ['joe@web1'],
    ['-l', 'matched', 'web2'],
    ['-ljoe', 'web2'],
    ['-p', '1', 'web1'],
    ['-o', 'HostName=%h.x', 'web1'],
    ['-oHostName one.example', 'db1'],
    ['-o', 'hostkeyalias  "X-y" # z', '-o', 'HostKeyAlias=z', 'web1'],
    ['-oPort=8', '-p', '9', 'web1', 'command'],
    ['ssh://joe@web2:2222'],
    ['web1', '-p', '2299', 'true'],
  ])('the arguments %j', async (...args) => {
    for (const name of ['hosts', 'match']) {
      await agree('-F', space.file(`args-${name}`, CONFIGS[name] ?? ''), ...args);
    }
  });

  test.each([
    'HostName foo#bar',
    'HostName "foo" # c',
    'HostName==foo',
    'HostName = =foo',
    '\tHostName\tfoo\t',
    "HostName 'f'oo",
    'HostName %h%%',
    '"HostName" foo',
    'HostName foo\r',
    'HostName f\\\\oo',
  ])('the line %j', async (line) => {
    const printed = sshPrints(['-F', space.file('line', `${line}\n`), 'web1'])?.get('hostname');
    const found = await words('-F', 'line', 'web1');
    // Characters that no host name has are not candidates.
    expect(found.candidates).toEqual(/["#]/.test(printed ?? '"') ? [] : [printed]);
  });

  test('generated Host and Match blocks', async () => {
    const pattern = fc.constantFrom('web1', 'web*', '!web2', '*', 'one.example', 'WEB1', '!*', 'w?b1');
    const list = fc.array(pattern, { minLength: 1, maxLength: 3 });
    const head = fc.oneof(
      list.map((items) => `Host ${items.join(' ')}`),
      list.map((items) => `Match host ${items.join(',')}`),
      list.map((items) => `Match originalhost "${items.join(',')}" user ${me.slice(0, 2)}*`),
      fc.constantFrom(
        'Match all',
        'Match final all',
        'Match !final user joe',
        'Match final host one.example',
      ),
    );
    const body = fc.constantFrom(
      'HostName one.example',
      'HostName %h.x',
      'Port 2222',
      'User joe',
      'HostKeyAlias k',
    );
    const block = fc.tuple(head, body).map(([first, second]) => `${first}\n  ${second}\n`);
    const config = fc.array(block, { minLength: 1, maxLength: 6 }).map((blocks) => blocks.join(''));
    await fc.assert(
      fc.asyncProperty(
        config,
        fc.constantFrom('web1', 'web2', 'joe@web1', 'one.example'),
        async (text, host) => {
          await agree('-F', space.file('generated', text), host);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('which files are read', () => {
  test('a file that changed, went or came back between two logins is read anew', async () => {
    const file = join(space.path, 'changing');
    const candidates = async () => (await words('-F', file, 'web')).candidates;
    writeFileSync(file, 'Host web\n  HostKeyAlias one\n');
    expect(await candidates()).toEqual(['one']);
    expect(await candidates()).toEqual(['one']);
    // As many bytes as before.
    writeFileSync(file, 'Host web\n  HostKeyAlias two\n');
    expect(await candidates()).toEqual(['two']);
    renameSync(file, `${file}.away`);
    await expect(candidates()).rejects.toMatchObject({ code: 'limit_exceeded' });
    renameSync(`${file}.away`, file);
    expect(await candidates()).toEqual(['two']);
  });

  space.file('home/.ssh/config', 'Include conf.d/*.conf ~/.ssh/more\nHost web1\n HostName user.example\n');
  space.file('home/.ssh/conf.d/a.conf', 'Host one\n HostName included.example\n');
  space.file('home/.ssh/conf.d/.hidden.conf', 'Host *\n Port 1\n');
  space.file('home/.ssh/more', 'Host two\n HostName tilde.example\n');
  space.file(
    'system',
    'Include system-more\nHost *\n User system\nHost web1 web2\n HostName system.example\n',
  );
  space.file('system-more', 'Host three\n HostName beside.example\n');

  test.each([
    ['web1', 'user.example'],
    ['web2', 'system.example'],
    ['one', 'included.example'],
    ['two', 'tilde.example'],
    ['three', 'beside.example'],
  ])("%s: the user's file, then the system's, Includes beside each", async (host, expected) => {
    expect(await words(host)).toMatchObject({ candidates: [expected], user: 'system' });
  });

  test('-F takes the place of both; none reads nothing; a relative path starts at the working directory', async () => {
    space.file('own', 'HostName own.example\n');
    expect(await words('-F', 'own', 'web1')).toMatchObject({ candidates: ['own.example'], user: me });
    for (const path of ['none', '/dev/null']) {
      const typed = { candidates: ['web1'], told: [{ name: 'web1' }], user: me, agents: ['SSH_AUTH_SOCK'] };
      expect(await words('-F', path, 'web1')).toEqual(typed);
    }
  });

  test.each(['nowhere', '/dev/fd/0', '/proc/self/fd/0'])(
    '-F %s, which is not the file that ssh has read, is an error',
    async (path) => {
      await expect(words('-F', path, 'web1')).rejects.toMatchObject({ code: 'limit_exceeded' });
    },
  );

  test('a relative -F of a process whose directory is not known is an error', async () => {
    const lost = callerWords(['ssh', '-F', 'own', 'web1'], { ...context, cwd: undefined });
    await expect(lost).rejects.toMatchObject({ code: 'limit_exceeded' });
  });

  test.each(['~root/x', '%d/.ssh/x', '$' + '{HOME}/x'])(
    'Include %j, which can not be followed, is an error where it applies',
    async (path) => {
      space.file('lost', `Host web1\n Include ${path}\n`);
      await expect(words('-F', 'lost', 'web1')).rejects.toThrow(`Include ${path}`);
      expect((await words('-F', 'lost', 'web2')).candidates).toEqual(['web2']);
    },
  );
});

describe('what can not be decided gives more candidates', () => {
  test('Match exec is never run', async () => {
    const evil = join(space.path, 'evil');
    const config = (command: string) => `Match host web1 exec "${command}"
        HostName inside.example
        User inner
      Host *
        HostName outside.example
        Port 2222\n`;
    space.file('exec', config(`touch ${evil}`));
    const found = await words('-F', 'exec', 'web1');
    expect(existsSync(evil)).toBe(false);
    expect(found.user).toBeUndefined();
    for (const command of ['true', 'false']) {
      const expected = oracle(['-F', space.file('exec-oracle', config(command)), 'web1']);
      for (const name of expected?.candidates ?? ['?']) expect(found.candidates).toContain(name);
    }
    expect(found.candidates[0]).toBe('[inside.example]:2222');
    expect((await words('-F', 'exec', 'web2')).candidates).toEqual([
      '[outside.example]:2222',
      'outside.example',
    ]);
    sshPrints(['-F', join(space.path, 'exec'), 'web1']);
    expect(existsSync(evil)).toBe(true); // the command itself would have worked
  });

  test('what follows from a perhaps is a perhaps; a negated one too', async () => {
    space.file('chain', 'Match !exec x\n HostName in.example\nMatch host in.example\n HostKeyAlias in\n');
    expect((await words('-F', 'chain', 'web1')).candidates).toEqual(['in', 'in.example', 'web1']);
  });

  test('an Include inside one, and criteria of newer versions', async () => {
    space.file('deep', 'HostName deep.example\n');
    space.file('new', `Match localnetwork 10.0.0.0/8\n Include ${space.path}/deep\nHost *\n Port 7\n`);
    expect((await words('-F', 'new', 'web1')).candidates).toEqual([
      '[deep.example]:7',
      'deep.example',
      '[web1]:7',
      'web1',
    ]);
  });

  test('a tag can be decided', async () => {
    space.file(
      'tags',
      'Match tagged work\n HostName work.example\nMatch host web2\n Tag work\nMatch tagged work\n Port 5\n',
    );
    expect((await words('-F', 'tags', '-Pwork', 'web1')).candidates).toEqual([
      '[work.example]:5',
      'work.example',
    ]);
    expect((await words('-F', 'tags', 'web1')).candidates).toEqual(['web1']);
    expect((await words('-F', 'tags', 'web2')).candidates).toEqual(['[web2]:5', 'web2']);
  });
});

describe('which words can stand for the destination', () => {
  async function told(config: string, ...args: readonly string[]) {
    space.file('told', config);
    return (await words('-F', 'told', ...args)).told.map(({ name }) => name);
  }

  test.each([
    ['HostName', 'Match exec x\n HostName in.example\n'],
    ['Port', 'Match localnetwork 10.0.0.0/8\n Port 2222\n'],
    ['HostKeyAlias', 'Match exec x\n HostKeyAlias in\n'],
    ['HostName through a tag', 'Match exec x\n Tag t\nMatch tagged t\n HostName in.example\n'],
    [
      'HostName after a certain block',
      'Host db1\n HostName db.example\nMatch exec x\n HostName in.example\n',
    ],
    ['CanonicalizeHostname', 'Match exec x\n CanonicalizeHostname yes\nCanonicalDomains a.example\n'],
    ['HostName, before the final pass', 'Match exec x\n HostName in.example\nMatch final\n User joe\n'],
    ['Port, in the final pass only', 'Match final exec x\n Port 2222\n'],
  ])('none where Match exec may set %s', async (_, config) => {
    expect(await told(config, 'web1')).toEqual([]);
  });

  test('what such a block sets besides does no harm', async () => {
    const harmless = 'Match exec x\n ProxyJump jump\n User joe\n IdentityFile y\n';
    expect(await told(`${harmless}Host *\n HostName %h.example\n`, 'web1')).toEqual(['web1.example']);
  });

  test('a block for another host does none, nor what is settled before it', async () => {
    expect(await told('Match host db1 exec x\n HostName in.example\n', 'web1')).toEqual(['web1']);
    const before = 'Host web1\n HostName %h\n Port 22\n';
    expect(await told(`${before}Match exec x\n HostName in.example\n Port 2222\n`, 'web1')).toEqual(['web1']);
  });

  test('a certain HostKeyAlias decides it', async () => {
    const open = 'Match exec x\n HostName in.example\n';
    expect(await told(`Host web1\n HostKeyAlias w\n${open}`, 'web1')).toEqual(['w']);
    expect(await told(`${open}Host web1\n HostKeyAlias w\n`, 'web1')).toEqual(['w']);
    expect(await told(open, '-oHostKeyAlias=w', 'web1')).toEqual(['w']);
  });

  test('canonical names do', async () => {
    expect(await told('CanonicalizeHostname yes\nCanonicalDomains a.example\n', 'web1')).toEqual([
      'web1.a.example',
      'web1',
    ]);
  });

  test('a port that ssh would refuse names nothing', async () => {
    expect(await told('Port 99999\n', 'web1')).toEqual([]);
  });
});

test('the typed host, before any configuration', () => {
  expect(typedWords(['ssh', '-p', '5', 'joe@Web1'])).toEqual({
    candidates: ['web1'],
    told: [],
    user: undefined,
    agents: [],
  });
  expect(typedWords(['ssh', '-U'])).toEqual({ candidates: [], told: [], user: undefined, agents: [] });
  expect(typedWords([])).toEqual({ candidates: [], told: [], user: undefined, agents: [] });
});

describe('canonicalization', () => {
  const domains = 'CanonicalDomains a.example B.example\n';

  test('each domain is tried, then the name itself', async () => {
    space.file('canon', `CanonicalizeHostname yes\n${domains}`);
    expect((await words('-F', 'canon', 'Web1')).candidates).toEqual([
      'web1.a.example',
      'web1.b.example',
      'web1',
    ]);
    expect((await words('-F', 'canon', 'web1.x.y')).candidates).toEqual(['web1.x.y']);
    expect((await words('-F', 'canon', 'web1.')).candidates).toEqual(['web1.', 'web1']);
    expect((await words('-F', 'canon', '10.0.0.7')).candidates).toEqual(['10.0.0.7']);
    expect((await words('-F', 'canon', '-oCanonicalizeMaxDots=0', 'web1.x')).candidates).toEqual(['web1.x']);
  });

  test('the configuration is read again for each canonical name', async () => {
    space.file(
      'again',
      `CanonicalizeHostname always\n${domains}Host *.a.example\n Port 5\nMatch canonical\n User c\n`,
    );
    const found = await words('-F', 'again', 'web1');
    expect(found.candidates).toEqual(['[web1.a.example]:5', 'web1.a.example', 'web1.b.example', 'web1']);
    expect(found.user).toBe('c');
  });

  test('no means no, as ssh -G says too', async () => {
    await agree(
      '-F',
      space.file('off', `CanonicalizeHostname no\n${domains}Match canonical\n Port 5\n`),
      'web1',
    );
  });
});
