import { expect, test } from 'vitest';
import { readAttempt } from '../../../src/doctor/login-attempt.ts';
import { parseSettings, sshSettings, sshVersion } from '../../../src/doctor/ssh-program.ts';
import { tempDirectory } from '../../support/temp.ts';

const ran = (stderr: string, failure = '') => ({ code: 255, stdout: '', stderr, failure });

test('the output of ssh -G: the first value of a keyword, with its words', () => {
  const settings = parseSettings(
    'Host web1\nport 22\nport 23\nuserknownhostsfile ~/.ssh/a  ~/.ssh/b\nempty\n\n',
  );
  expect(settings.first('host')).toBe('web1');
  expect(settings.first('port')).toBe('22');
  expect(settings.words('userknownhostsfile')).toEqual(['~/.ssh/a', '~/.ssh/b']);
  expect([settings.first('empty'), settings.first('missing'), settings.words('missing')]).toEqual([
    '',
    '',
    [],
  ]);
});

test('an ssh that hangs, floods or is missing has no settings, and says why', async () => {
  const directory = tempDirectory();
  const env = { PATH: `${directory.path}:/usr/bin:/bin` };
  directory.write('ssh', '#!/bin/sh\nexec sleep 60\n', 0o700);
  expect(await sshSettings(['web1'], env)).toEqual({ refused: 'ssh -G did not end within 5 s' });
  directory.write('ssh', '#!/bin/sh\nexec yes\n', 0o700);
  expect(await sshSettings(['web1'], env)).toEqual({
    refused: expect.stringMatching(/^ssh can't be run: ERR_CHILD/),
  });
  expect(await sshSettings(['web1'], { PATH: '/nowhere' })).toEqual({ refused: "ssh can't be run: ENOENT" });
  expect(await sshVersion({ PATH: '/nowhere' })).toBeUndefined();
  directory.remove();
});

test('the words of ssh -v', () => {
  const attempt = readAttempt(
    ran(
      [
        'OpenSSH_9.2p1',
        'debug1: Offering public key: me@here RSA SHA256:a agent',
        'debug1: Offering public key: warden: web ED25519-CERT SHA256:b agent',
        'debug1: Server accepts key: warden: web ED25519-CERT SHA256:b agent',
        'Authenticated to web1 ([10.0.0.1]:22) using "publickey".',
        'PTY allocation request failed on channel 0',
      ].join('\r\n'),
    ),
  );
  expect(attempt).toMatchObject({
    authenticated: true,
    offeredCertificate: true,
    accepted: 'warden: web ED25519-CERT SHA256:b agent',
    refusedTerminal: true,
  });
  expect(readAttempt(ran('debug1: x\nroot@h: Permission denied (publickey).\n'))).toMatchObject({
    authenticated: false,
    offeredCertificate: false,
    accepted: undefined,
    lastLine: 'root@h: Permission denied (publickey).',
  });
  expect(readAttempt(ran('debug1: Connecting\n', 'ETIMEDOUT')).lastLine).toBe('no end within 20 s');
});
