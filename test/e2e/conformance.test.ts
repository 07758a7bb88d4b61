/** `scripts/cert-command-conformance`: warden passes with a daemon and without, `bao write` runs through it, and what is wrong is found. */
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { makeKey } from '../support/keys.ts';
import { openbaoBinary } from '../support/openbao.ts';
import { type Environment, run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { LAUNCHER } from '../support/warden.ts';

const KIT = resolve('scripts/cert-command-conformance');
const report = z.array(z.object({ check_id: z.string(), status: z.string(), observed: z.string() }));

const rig = useRig({
  warden: ({ bao, sshd }) => ({
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
    actors: { 'agt-tunnel': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
  }),
});

let key: string;
beforeAll(async () => {
  const { bao, directory } = rig();
  key = (await makeKey(directory.path, 'tunnel')).path;
  await bao.writeRole(bao.role, { max_ttl: '2h' });
});

async function examine(command: string, args: readonly string[] = [], env: Environment = {}) {
  const { warden } = rig();
  const result = await run(KIT, ['--json', ...args, command], {
    env: { ...warden.env, ...env },
    deadline: 60_000,
  });
  const checks = report.parse(JSON.parse(result.stdout));
  const of = (status: string) =>
    checks.filter((each) => each.status === status).map(({ check_id }) => check_id);
  return { code: result.code, checks, failed: of('fail'), passed: of('pass'), unknown: of('unknown') };
}

test.each(['with a daemon', 'without one'])(
  'warden sign %s passes all twenty',
  { timeout: 120_000 },
  async (how) => {
    const { warden } = rig();
    if (how === 'without one') await warden.stop();
    const sign = (actor: string) => `${LAUNCHER} sign ${actor} --pubkey ${key}.pub`;
    const kept = join(warden.stateDir, 'agt-tunnel-cert.pub');
    const found = await examine(sign('agt-tunnel'), [
      '--pubkey',
      `${key}.pub`,
      '--kept',
      kept,
      '--failing',
      sign('agt-nobody'),
    ]);
    expect(found.checks.filter(({ status }) => status !== 'pass')).toEqual([]);
    expect(found).toMatchObject({ code: 0 });
    expect(found.checks).toHaveLength(20);
    if (warden.pid === undefined) await warden.start();
  },
);

test('bao write runs through it too', { timeout: 120_000 }, async () => {
  const { bao, sshd } = rig();
  const command = `${openbaoBinary()} write -field=signed_key ${bao.mount}/sign/${bao.role} valid_principals=${sshd.user} public_key=@${key}.pub`;
  const env = { BAO_ADDR: bao.addr, BAO_TOKEN: bao.token };
  const found = await examine(command, ['--pubkey', `${key}.pub`], env);
  expect(found).toMatchObject({ code: 0, failed: [], unknown: [] });
  expect(found.passed).toHaveLength(18);
});

test('finds what a bad command does', { timeout: 120_000 }, async () => {
  const good = `${LAUNCHER} sign agt-tunnel --pubkey ${key}.pub`;
  expect((await examine(`echo signing; ${good}`)).failed).toEqual(
    expect.arrayContaining(['stdout.one_line', 'stdout.type_first']),
  );
  expect((await examine(`${good}; sleep 60 >/dev/null 2>&1 &`)).failed).toContain('run.no_process_left');
  expect((await examine(`echo "$WARDEN_TEST_TOKEN" >&2; ${good}`)).failed).toContain('output.no_secret');
  expect((await examine('sleep 9', ['--timeout', '1'])).failed).toContain('run.in_time');
  expect(
    (await examine(`read -r x </dev/tty; ${good}`, ['--timeout', '2', '--failing', `${good}; true`])).failed,
  ).toContain('failure.says_why');
  expect(await examine(good)).toMatchObject({ code: 2, failed: [], unknown: ['failure.says_why'] });
  expect(await run(KIT, [])).toMatchObject({ code: 64 });
});

test('ops-ssh-wrapper logs in with a certificate for WARDEN_ACTOR', async () => {
  const { warden, sshd, knownHosts } = rig();
  const env = { ...warden.env, WARDEN_ACTOR: 'agt-tunnel', WARDEN_KEY: key };
  const options = [
    '-F',
    'none',
    '-p',
    String(sshd.port),
    '-o',
    `UserKnownHostsFile=${knownHosts}`,
    '-o',
    'BatchMode=yes',
  ];
  const result = await run(
    resolve('scripts/ops-ssh-wrapper'),
    [...options, `${sshd.user}@127.0.0.1`, 'echo in'],
    { env },
  );
  expect(result).toMatchObject({ code: 0, stdout: 'in\n' });
  expect(
    await run(resolve('scripts/ops-ssh-wrapper'), ['host'], { env: { HOME: '/nonexistent' } }),
  ).toMatchObject({ code: 64 });
});
