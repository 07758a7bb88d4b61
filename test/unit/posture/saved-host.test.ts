/** Saved hosts come from hosts: whatever is in their files, they are judged, and what can't be told never passes. */
import '../../support/property-seed.ts';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { hostsFromDirectory } from '../../../src/drift/host-files.ts';
import { hostPosture } from '../../../src/posture/host-rules.ts';
import { savedHosts } from '../../../src/posture/saved-host.ts';
import { tempDirectory } from '../../support/temp.ts';

const directory = tempDirectory('saved-');
afterAll(() => directory.remove());
let count = 0;

/** A host with these files, judged with a CA that is pinned. */
function judged(files: Readonly<Record<string, string>>, before: (path: string) => void = () => undefined) {
  count += 1;
  const host = `host${count}`;
  mkdirSync(directory.join(host, 'auth_principals'), { recursive: true });
  for (const [name, text] of Object.entries(files)) directory.write(`${host}/${name}`, text);
  before(directory.join(host));
  const found = savedHosts(directory.join(host)).flatMap((saved) => hostPosture(saved, ['SHA256:ours']));
  return new Map(found.map((each) => [each.check_id, each]));
}

test('any text in any file is judged', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'passwordauthentication',
      'no',
      'yes',
      ' ',
      '\n',
      '\0',
      '644 0 /',
      'missing /x',
      '9999999999999',
    ),
  );
  const text = fc.array(word, { maxLength: 20 }).map((words) => words.join(''));
  const names = ['sshd-T', 'sshd-T.ops', 'ca_user.pub', 'files', 'matches', 'clock'];
  fc.assert(
    fc.property(fc.record(Object.fromEntries(names.map((name) => [name, text]))), (files) => {
      for (const { status, observed, remediation, evidence } of judged(files).values()) {
        expect(['pass', 'fail', 'warn', 'unknown']).toContain(status);
        expect(observed).not.toBe('');
        expect(evidence).not.toBe('');
        expect(remediation === '').toBe(status === 'pass');
      }
    }),
    { numRuns: 200 },
  );
});

test('nothing saved: nothing passes', () => {
  expect([...judged({}).values()].filter(({ status }) => status === 'pass')).toEqual([]);
});

test('the first value of a key counts, as in sshd -T', () => {
  const found = judged({ 'sshd-T': 'PasswordAuthentication no\npasswordauthentication yes\n' });
  expect(found.get('host.passwords')).toMatchObject({
    status: 'pass',
    evidence: expect.stringMatching(/sshd-T:1$/),
  });
});

test('a FIFO, a directory, a file without end in the place of one', () => {
  const found = judged({}, (path) => {
    execFileSync('mkfifo', [`${path}/sshd-T`]);
    mkdirSync(`${path}/files`);
    symlinkSync('/dev/zero', `${path}/clock`);
  });
  expect(found.get('host.passwords')).toMatchObject({ status: 'unknown', observed: 'sshd-T: is no file' });
  expect(found.get('host.clock')).toMatchObject({ status: 'unknown', observed: 'clock: is no file' });
  // warden drift reads the same directories.
  mkdirSync(directory.join('of-drift', 'one', 'auth_principals'), { recursive: true });
  execFileSync('mkfifo', [directory.join('of-drift', 'one', 'auth_principals', 'ops')]);
  expect(hostsFromDirectory(directory.join('of-drift'))).toMatchObject([
    { principals: "can't be read: is no file" },
  ]);
  const long = judged({ 'sshd-T': `passwordauthentication no\n${'x'.repeat(1024 * 1024)}` });
  expect(long.get('host.passwords')).toMatchObject({
    status: 'unknown',
    observed: expect.stringContaining('longer than'),
  });
});

test('a clock that is 59 s off, and one that is 60', () => {
  expect(judged({ clock: '1000059 1000000\n' }).get('host.clock')?.status).toBe('pass');
  expect(judged({ clock: '1000000 1000060\n' }).get('host.clock')).toMatchObject({
    status: 'fail',
    observed: 'its clock is -60 s off',
  });
  expect(judged({ clock: '1000000\n' }).get('host.clock')?.status).toBe('unknown');
});

test('a file under a directory that others may write, and one that nobody has looked at', () => {
  const settings = 'trustedusercakeys /etc/ssh/ca.pub\nrevokedkeys /etc/ssh/krl\n';
  const wide = judged({
    'sshd-T': settings,
    files: '755 0 /\n777 0 /etc\n755 0 /etc/ssh\n644 0 /etc/ssh/ca.pub\n',
  });
  expect(wide.get('host.ca_file')).toMatchObject({
    status: 'fail',
    observed: '/etc may be written by others (mode 777)',
  });
  expect(wide.get('host.revoked_keys_readable')).toMatchObject({ status: 'unknown' });
  const owned = judged({
    'sshd-T': settings,
    files: '755 0 /\n755 0 /etc/ssh\n644 1000 /etc/ssh/ca.pub\nmissing /etc/ssh/krl\n',
  });
  expect(owned.get('host.ca_file')).toMatchObject({
    status: 'fail',
    observed: '/etc/ssh/ca.pub belongs to uid 1000',
  });
  expect(owned.get('host.revoked_keys_readable')).toMatchObject({
    status: 'fail',
    observed: '/etc/ssh/krl is missing',
  });
});

test('principals in a home directory are the user’s', () => {
  const files = '755 0 /\n';
  const found = judged({ 'sshd-T': 'authorizedprincipalsfile .ssh/authorized_principals\n', files });
  expect(found.get('host.principals_owner')).toMatchObject({
    status: 'fail',
    observed: '.ssh/authorized_principals is in the user’s home',
  });
});
