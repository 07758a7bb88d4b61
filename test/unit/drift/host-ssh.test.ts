/** What hosts answer to `warden drift --ssh`, where a real host can't be made to say it; the rest is in e2e/drift-ssh.test.ts. */
import { expect, test } from 'vitest';
import { hostsOverSsh, readAnswer } from '../../../src/drift/host-ssh.ts';
import { tempDirectory } from '../../support/temp.ts';

const ran = (stdout: string, code: number | undefined = 0, failure = '') => ({
  code,
  stdout,
  stderr: 'Warning: added\r\nlast line\r\n',
  failure,
});

test.each([
  ['a login with a command of its own', ran('hello\n'), 'last line'],
  ['an answer that breaks off', ran('T permitrootlogin yes\nF /x/root\nP ops\n'), 'last line'],
  ['no end in time', ran('', undefined, 'ETIMEDOUT'), 'no answer within 20 s'],
  ['a shell that says no', ran('END\n', 1), 'last line'],
])('%s can’t be seen', (_name, answer, why) => {
  expect(readAnswer('web1', answer)).toMatchObject({ principals: why, sshd: undefined, cas: undefined });
});

test('what a login’s shell says before it is passed over', () => {
  const facts = readAnswer(
    'web1',
    ran(
      'Welcome\r\nT trustedusercakeys none\nT port 22\nF /p/root\nP # ours\nP ops\nP \nF /p/deploy\nP \nEND\n',
    ),
  );
  expect(facts).toMatchObject({
    principals: [{ user: 'root', principal: 'ops', source: 'ssh web1:/p/root:2' }],
    unseen: [],
  });
  expect(facts.sshd?.get('port')?.value).toBe('22');
});

test('the usual directory without sshd -T is looked at, and not taken for all', () => {
  expect(readAnswer('web1', ran('F /etc/ssh/auth_principals/root\nP ops\nEND\n'))).toMatchObject({
    principals: [{ user: 'root', principal: 'ops' }],
    unseen: [expect.stringMatching(/^sshd -T/)],
  });
});

test('a CA that is no key can’t be seen', () => {
  expect(readAnswer('web1', ran('T port 22\nC not a key\nEND\n')).unseen).toEqual([
    expect.stringMatching(/^TrustedUserCAKeys: /),
  ]);
});

test('thirty hosts: eight ssh at once, each host once, in their order', async () => {
  const directory = tempDirectory();
  try {
    // Each says how many of it there are.
    directory.write(
      'ssh',
      `#!/bin/sh\ntouch "${directory.path}/$$"\nsleep 0.2\necho "T n $(ls "${directory.path}" | grep -c '^[0-9]')"\nrm "${directory.path}/$$"\necho END\n`,
      0o755,
    );
    const hosts = Array.from({ length: 30 }, (_, i) => `h${i}`);
    const facts = await hostsOverSsh([...hosts, 'h0'], {
      socket: '/nowhere',
      login: undefined,
      sudo: false,
      env: { PATH: `${directory.path}:/usr/bin:/bin` },
    });
    expect(facts.map(({ host }) => host)).toEqual(hosts);
    const together = facts.map(({ sshd }) => Number(sshd?.get('n')?.value));
    expect(Math.max(...together)).toBeLessThanOrEqual(8);
    expect(Math.max(...together)).toBeGreaterThan(1);
  } finally {
    directory.remove();
  }
});
