/** `warden doctor HOST --login`: what only a login shows, on a real sshd that trusts, mistrusts, maps, or has a static key. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { doctor, sshWords } from '../support/doctor.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';

const missing = realPartsMissing();
let keys: TempDirectory;
let left: KeyFile;
let rig: Rig;
let mistrusting: Sshd;

beforeAll(async () => {
  if (missing !== undefined) return;
  keys = tempDirectory();
  left = await makeKey(keys.path, 'left-over');
  mistrusting = await startSshd();
  rig = await startRig({
    sshd: { authorizedKeys: [left.publicKey] },
    lanes: ({ bao, sshd }) => {
      const common = { logins: [sshd.user], role: bao.role };
      return {
        mistrusted: { ...common, hosts: [`[127.0.0.1]:${mistrusting.port}`] },
        mapped: { ...common, hosts: ['mapped.test'], principals: ['deploy'] },
        bare: { ...common, hosts: ['bare.test'], role: 'no-pty' },
      };
    },
    warden: ({ sshd }) => ({ principals: [sshd.user, 'deploy'] }),
  });
  await rig.bao.writeRole('no-pty', { default_extensions: {} });
  const own = rig.sshd.knownHosts()[0]?.split(' ').slice(1).join(' ');
  rig.directory.write(
    'known_hosts',
    `${readFileSync(rig.knownHosts, 'utf8')}${mistrusting.knownHosts().join('\n')}\nmapped.test,bare.test ${own}\n`,
  );
});

afterAll(async () => {
  await rig?.remove();
  await mistrusting?.stop();
  keys?.remove();
});

async function login(port: number, ...options: string[]) {
  return doctor(rig.warden, ['127.0.0.1', '--login', '--', ...sshWords(port, rig.knownHosts, ...options)]);
}

test('a certificate that works, and no other key: 0', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const logins = rig.sshd.logins().length;
  const seen = await login(rig.sshd.port);
  expect(seen).toMatchObject({ code: 0, notable: [] });
  expect(seen.get('login.certificate').what).toContain('ED25519-CERT');
  expect(seen.has('login.no_static_key')).toBe(true);
  expect((await rig.sshd.waitForLogins(logins + 1)).at(-1)?.certificate).toBeDefined();
});

test('a static key in authorized_keys still logs in', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(rig.sshd.port, `IdentityFile=${left.path}`);
  expect(seen.get('login.static_key')).toMatchObject({
    level: 'warning',
    what: expect.stringContaining(left.path),
    todo: expect.stringContaining('authorized_keys'),
  });
  expect(seen.has('login.certificate')).toBe(true);
});

test('where ssh never asks warden, the key that opens the door is named', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(rig.sshd.port, `IdentityFile=${left.path}`, 'IdentitiesOnly=yes');
  expect(seen.code).toBe(1);
  expect(seen.get('login.other_key').what).toContain(left.path);
});

test('a CA that the host does not trust', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(mistrusting.port);
  expect(seen.code).toBe(1);
  expect(seen.get('login.ca')).toMatchObject({
    what: `the host refuses the certificate: its sshd does not trust the CA ${rig.bao.caFingerprint}`,
    todo: expect.stringContaining('TrustedUserCAKeys'),
  });
});

test('a principal that sshd does not take', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(rig.sshd.port, 'HostKeyAlias=mapped.test');
  expect(seen.code).toBe(1);
  expect(seen.get('lane.principals').todo).toContain('--login');
  expect(seen.get('login.principal')).toMatchObject({
    what: `the host refuses the certificate: it carries deploy, and sshd takes none of them for ${rig.sshd.user}`,
    todo: expect.stringContaining('AuthorizedPrincipalsFile'),
  });
});

test('a role without permit-pty: no terminal', async (context) => {
  if (missing !== undefined) context.skip(missing);
  await rig.bao.api('POST', 'sys/policies/acl/bare', {
    policy: 'path "ssh/sign/*" { capabilities = ["update"] }\npath "ssh/roles/*" { capabilities = ["read"] }',
  });
  const token = await rig.bao.createToken({ policies: ['bare'] });
  const words = [
    'bare.test',
    '--',
    ...sshWords(rig.sshd.port, rig.knownHosts, 'HostKeyAlias=bare.test', 'HostName=127.0.0.1'),
  ];
  const seen = await doctor(rig.warden, words, { WARDEN_TEST_TOKEN: token });
  expect(seen).toMatchObject({ code: 0 });
  expect(seen.get('role.permit_pty')).toMatchObject({
    level: 'warning',
    what: expect.stringContaining('certificates of lane bare have no permit-pty'),
  });
});

test('a login that the agent refused is told with its reason', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(rig.sshd.port, 'HostKeyAlias=bare.test');
  expect(seen.code).toBe(1);
  expect(seen.get('login.no_certificate').what).toMatch(
    /OpenBao answered 403 on ssh\/sign\/no-pty.*\(bao_denied\)/,
  );
});

test('a host that is not there', async (context) => {
  if (missing !== undefined) context.skip(missing);
  const seen = await login(1);
  expect(seen.get('login.failed').what).toMatch(/Connection refused/);
});
