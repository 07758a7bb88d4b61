/** `warden revoke` to the end: a KRL by ssh-keygen, and a real sshd that refuses this certificate and no other. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { mustRun, run } from '../support/process.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const missing = realPartsMissing();
const directory = tempDirectory();
const krl = directory.join('revoked_keys');
let rig: Rig;
let sshd: Sshd;
let knownHosts: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  rig = await startRig();
  // An empty KRL: a missing one makes sshd refuse everybody.
  await mustRun('ssh-keygen', ['-k', '-f', krl]);
  sshd = await startSshd({ userCas: [rig.bao.caPublicKey], config: [`RevokedKeys ${krl}`] });
  knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
});
afterAll(async () => {
  await sshd?.stop();
  await rig?.remove();
  directory.remove();
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

/** A certificate in a file, as tools want it: signed by OpenBao for half an hour. */
async function certificateFile(name: string): Promise<{ key: KeyFile; serial: string }> {
  const key = await makeKey(directory.path, name);
  await rig.bao.writeRole('files', { max_ttl: '1h' });
  const answer = await rig.bao.api('POST', `${rig.bao.mount}/sign/files`, {
    public_key: key.publicKey,
    valid_principals: sshd.user,
    ttl: '30m',
  });
  const signed = /"signed_key":"([^"\\]+)/.exec(answer.text)?.[1];
  if (signed === undefined) throw new Error(answer.text);
  writeFileSync(`${key.path}-cert.pub`, `${signed}\n`);
  const shown = await mustRun('ssh-keygen', ['-L', '-f', `${key.path}-cert.pub`]);
  return { key, serial: /Serial: (\d+)/.exec(shown)?.[1] ?? '' };
}

const login = (key: KeyFile) =>
  ssh({ port: sshd.port, knownHosts, identities: [key.path], options: ['IdentitiesOnly=yes'] });

test('the certificate is refused, and another of the same CA is not', async () => {
  const [lost, kept] = [await certificateFile('lost'), await certificateFile('kept')];
  expect([(await login(lost.key)).code, (await login(kept.key)).code]).toEqual([0, 0]);
  const printed = await rig.warden.cli(['revoke', lost.serial]);
  expect(printed).toMatchObject({ code: 0, stdout: `serial: ${lost.serial}\n` });
  expect(printed.stderr).toContain('this trail knows no certificate with that serial');
  expect(printed.stderr).toContain(
    `warden revoke ${lost.serial} | ssh-keygen -k -u -f revoked_keys -s warden_user_ca.pub -`,
  );
  const ca = directory.write('ca.pub', `${rig.bao.caPublicKey}\n`);
  await mustRun('ssh-keygen', ['-k', '-u', '-f', krl, '-s', ca, '-'], { stdin: printed.stdout });
  expect([(await login(lost.key)).code, (await login(kept.key)).code]).toEqual([255, 0]);
  expect(sshd.log()).toMatch(/revoked by file/);
  expect((await run('ssh-keygen', ['-Q', '-f', krl, `${lost.key.path}-cert.pub`])).stdout).toContain(
    'REVOKED',
  );
});

test('says whose a certificate of the trail was, and until when', async () => {
  expect(await rig.login()).toMatchObject({ code: 0 });
  const serial = rig.warden.trail().find(({ phase }) => phase === 'result')?.cert?.serial ?? '';
  const { stderr } = await rig.warden.cli(['revoke', serial]);
  expect(stderr).toMatch(/^adm-test for \[127\.0\.0\.1\]:\d+ at .*, good until /);
  const json = await rig.warden.cli(['revoke', serial, '--json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    serial,
    krl: `serial: ${serial}`,
    issuance: { lane: 'web' },
  });
});

test.each(['0', '-1', '007', '1x', '18446744073709551616', ''])('%j is no serial: 64', async (word) => {
  expect(await rig.warden.cli(['revoke', '--', word])).toMatchObject({
    code: 64,
    stdout: '',
    stderr: expect.stringContaining('is no serial of a certificate'),
  });
});
