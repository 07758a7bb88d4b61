/** `warden activity --follow` on real logins, while real logrotate rotates sshd's log and OpenBao's. */
import { afterAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { makeKey } from '../support/keys.ts';
import { findProgram, mustRun, start, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { startSyslog } from '../support/syslog.ts';
import { tempDirectory } from '../support/temp.ts';
import { LAUNCHER } from '../support/warden.ts';

const NO_LOGROTATE = 'no logrotate on this machine: install logrotate';
const ROUNDS = 4;

const directory = tempDirectory('logs-');
const audit = directory.write(
  'audit.hcl',
  `audit "file" "a" { options = { file_path = "${directory.join('audit.log')}" } }\n`,
);
afterAll(() => directory.remove());

const line = z.looseObject({
  kind: z.string(),
  state: z.string(),
  corr: z.string().optional(),
  source: z.string().optional(),
});

describe('following', () => {
  const rig = useRig({
    bao: { args: [`-config=${audit}`] },
    warden: () => ({
      activity: {
        sources: [
          { type: 'openbao', path: directory.join('audit.log'), name: 'bao' },
          { type: 'sshd', path: directory.join('auth.log'), name: 'sshd' },
        ],
      },
    }),
  });

  test('each thing is told once, with the issuance that it is about, through rotations by rename and by copy', async (context) => {
    const logrotate = findProgram('logrotate');
    if (logrotate === undefined) {
      if (process.env['WARDEN_REQUIRE_REAL'] === '1') throw new Error(NO_LOGROTATE);
      context.skip(NO_LOGROTATE);
      return;
    }
    const { bao, login, sshd, warden } = rig();
    const rotation = directory.write(
      'logrotate.conf',
      `${directory.join('auth.log')} { rotate 9\n missingok\n create\n delaycompress\n compress\n }
${directory.join('audit.log')} { rotate 9\n create 600\n nocompress\n postrotate\n kill -HUP ${bao.pid}\n endscript\n }\n`,
    );
    const syslog = startSyslog(sshd, directory.join('auth.log'));
    const follower = start(LAUNCHER, ['activity', '--follow', '--days', '1', '--format', 'jsonl'], {
      env: warden.env,
    });
    await follower.waitFor('following: interrupt to end');
    const heard = () =>
      follower
        .stdout()
        .split('\n')
        .slice(0, -1)
        .map((each) => line.parse(JSON.parse(each)));
    const told = (kind: string, state: string) =>
      heard().filter((each) => each.source === 'sshd' && each.kind === kind && each.state === state);
    for (let round = 0; round < ROUNDS; round += 1) {
      expect(await login()).toMatchObject({ code: 0 });
      await until('sshd is heard', () => told('login', 'ok').length > round);
      await mustRun(logrotate, ['--force', '--state', directory.join('state'), rotation]);
    }
    const issued = warden
      .trail()
      .filter(({ event }) => event === 'cert.issued')
      .map(({ corr }) => corr);
    expect(issued).toHaveLength(ROUNDS);
    await until('OpenBao is heard', () => heard().filter(({ source }) => source === 'bao').length === ROUNDS);
    await until('the ends are heard', () => told('login', 'ended').length === ROUNDS);
    for (const state of ['ok', 'ended']) expect(told('login', state).map(({ corr }) => corr)).toEqual(issued);
    expect(
      heard()
        .filter(({ event }) => event === 'cert.used')
        .map(({ corr }) => corr),
    ).toEqual(issued);
    expect(heard().filter(({ kind }) => kind === 'anomaly')).toEqual([]);
    follower.signal('SIGINT');
    expect(await follower.ended).toMatchObject({ code: 0 });
    syslog.stop();
  });

  test('what does not add up is told by itself', async () => {
    const { bao, sshd, warden } = rig();
    const follower = start(LAUNCHER, ['activity', '--follow', '--anomalies'], { env: warden.env });
    await follower.waitFor('following: interrupt to end');
    const key = await makeKey(directory.path, 'around');
    await bao.api('POST', `${bao.mount}/sign/${bao.role}`, {
      public_key: key.publicKey,
      valid_principals: sshd.user,
    });
    await follower.waitFor(/anomaly +unexplained_certificate/, 20_000);
    follower.signal('SIGTERM');
    expect(await follower.ended).toMatchObject({ code: 0 });
    expect(follower.stdout().match(/unexplained_certificate/g)).toHaveLength(1);
  });
});
