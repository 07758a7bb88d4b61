import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  lineMatcher,
  literalNames,
  MAX_LINE,
  parseKnownHosts,
} from '../../../src/destination/known-hosts.ts';
import { KnownHostsStore } from '../../../src/destination/known-hosts-store.ts';
import { resolveDestination } from '../../../src/destination/names.ts';
import { keygenFinds, type TestKey, Workspace } from './workspace.ts';

const space = new Workspace();
afterAll(() => space.remove());
const host = space.key('host');
const other = space.key('other', 'ecdsa');
const ca = space.key('ca');

/** Whether the file proves the name for the key, by warden. */
async function proves(file: string, key: TestKey, name: string): Promise<boolean> {
  const knownHosts = await new KnownHostsStore([file]).look();
  const evidence = { knownHosts, lanes: [], candidates: [name], nowSeconds: 0 };
  return resolveDestination(key.blob, evidence).names.some((proved) => proved.name === name);
}

/** The same by ssh-keygen: it prints a line without a marker that holds the key (which it does not decode). */
function keygenProves(file: string, key: TestKey, name: string): boolean {
  const lines = keygenFinds(name, file).map((line) => line.trim().split(/\s+/));
  return lines.some(
    ([hosts, ...words]) => hosts?.startsWith('@') === false && words.slice(0, 2).join(' ') === key.line,
  );
}

const NAMES = [
  'web1',
  'web2',
  'web1.example.com',
  'db.example.com',
  '10.0.0.7',
  '::1',
  '[web1]:2222',
  '[web1]:22',
  '[10.0.0.7]:2222',
  '[::1]:2222',
];

const FIELDS = [
  'web1',
  'WEB1',
  'web1,10.0.0.7',
  'web1,web2,!web2',
  '!web1,*',
  'web?',
  '*.example.com',
  '*',
  '*,!*.example.com',
  '[web1]:2222',
  '[web1]:*',
  '[*]:2222',
  '!web1',
  '::1',
  '[::1]:2222',
  '[web1]:22',
  'web1,',
  ',web1',
  '|1|bad|hash',
  'web2,|1|x|y',
];

describe('against ssh-keygen -F', () => {
  test.each(FIELDS)('the host field %s', async (field) => {
    const file = space.file('field', `${field} ${host.line}\n`);
    for (const name of NAMES) {
      expect([name, await proves(file, host, name)]).toEqual([name, keygenProves(file, host, name)]);
      expect(await proves(file, other, name)).toBe(false);
    }
  });

  test.each([
    ['a tab and spaces', `  web1\t ${host.line}   comment here\n`],
    ['CRLF', `web1 ${host.line}\r\nweb2 ${host.line} note\r\n`],
    ['no newline at the end', `# comment\n\nweb1 ${host.line}`],
    ['an unknown marker', `@trusted web1 ${host.line}\n`],
    ['two markers', `@revoked @cert-authority web1 ${ca.line}\n`],
    ['a CA line', `@cert-authority web1 ${host.line}\n`],
    ['a type that the key denies', `web1 ecdsa-sha2-nistp256 ${host.line.split(' ')[1]}\n`],
    ['no key', `web1\nweb1 ssh-ed25519\nweb2 ${host.line}\n`],
    ['base64 cut short', `web1 ${host.line.slice(0, -1)}\n`],
    ['text after the base64', `web1 ${host.line}x#\n`],
    ['a # before the key', `web1 # ${host.line}\n`],
    ['protocol 1', `web1 2048 65537 123456789\nweb2 ${host.line}\n`],
  ])('%s', async (_, content) => {
    const file = space.file('line', content);
    for (const name of NAMES) {
      expect([name, await proves(file, host, name)]).toEqual([name, keygenProves(file, host, name)]);
    }
  });

  test('hashed by ssh-keygen -H', async () => {
    const lines = NAMES.map((name, i) => `${name} ${(i % 2 === 0 ? host : other).line}\n`);
    const file = space.file('hashed', lines.join(''));
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
    expect(readFileSync(file, 'utf8')).not.toContain('web');
    for (const [i, name] of NAMES.entries()) {
      for (const key of [host, other]) {
        const expected = keygenProves(file, key, name);
        expect([name, await proves(file, key, name)]).toEqual([name, expected]);
      }
      expect(await proves(file, i % 2 === 0 ? host : other, name)).toBe(true);
      expect(await proves(file, i % 2 === 0 ? other : host, name)).toBe(false);
    }
    expect(await proves(file, host, 'web3')).toBe(false);
  });

  test('generated host fields', async () => {
    const item = fc.tuple(
      fc.constantFrom('', '', '', '!'),
      fc.constantFrom('web1', 'web2', 'w*', 'web?', '*', '[web1]:2222', '[*]:*', 'a.b', '*.b', 'A.b', ''),
    );
    const fields = fc.array(
      item.map(([not, pattern]) => `${not}${pattern}`),
      { minLength: 1, maxLength: 4 },
    );
    const name = fc.constantFrom('web1', 'web2', 'a.b', '[web1]:2222', 'b');
    await fc.assert(
      fc.asyncProperty(fields, name, async (items, asked) => {
        const file = space.file('generated', `${items.join(',')} ${host.line}\n`);
        expect(await proves(file, host, asked)).toBe(keygenProves(file, host, asked));
      }),
      { numRuns: 150 },
    );
  });
});

describe('what is read back', () => {
  test('plain names, without patterns and what a negation voids', () => {
    const line = { marker: 'none', hosts: 'Web1,[web1]:2222,*.x,a.y,!*.y,10.0.0.7', source: '' } as const;
    expect(literalNames(line)).toEqual(['web1', '[web1]:2222', '10.0.0.7']);
  });

  test('nothing of a hash', () => {
    expect(literalNames({ marker: 'none', hosts: '|1|x|y', source: '' })).toEqual([]);
  });

  test('a hash in a second spelling of its bytes is no match', () => {
    const file = space.file('spelling', `web1 ${host.line}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
    const hosts = readFileSync(file, 'utf8').split(' ')[0] ?? '';
    expect(lineMatcher({ marker: 'none', hosts, source: '' })('web1')).toBe(true);
    expect(lineMatcher({ marker: 'none', hosts: hosts.replace(/=$/, ''), source: '' })('web1')).toBe(false);
    expect(lineMatcher({ marker: 'none', hosts: `${hosts},web1`, source: '' })('web1')).toBe(false);
  });
});

describe('limits', () => {
  test('bad lines are counted, good ones beside them stay', () => {
    const long = `${'x'.repeat(MAX_LINE)} ${host.line}`;
    const known = parseKnownHosts(`# c\n\nrubbish\n${long}\n@x y ${host.line}\nweb1 ${host.line}\n`, 'f');
    expect(known.badLines).toBe(3);
    expect(known.byKey.get(host.blob.toString('base64'))).toEqual([
      { marker: 'none', hosts: 'web1', source: 'f:6' },
    ]);
  });

  test('no text makes the parser throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const known = parseKnownHosts(`${text}\nweb1 ${host.line}\n`, 'f');
        expect(known.byKey.has(host.blob.toString('base64'))).toBe(true);
      }),
    );
  });

  test('100,000 hashed lines: only those of the bound key are tested', async () => {
    const hashed = '|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=';
    const lines = Array.from({ length: 100_000 }, (_, i) => {
      const blob = Buffer.from(host.blob);
      blob.writeUInt32BE(i, blob.length - 4);
      return `${hashed} ssh-ed25519 ${blob.toString('base64')}\n`;
    });
    const file = space.file('large', `${lines.join('')}web9 ${host.line}\n`);
    const knownHosts = await new KnownHostsStore([file]).look();
    expect(knownHosts.linesOf(host.blob).map(({ source }) => source)).toEqual([`${file}:100001`]);
  });
});
