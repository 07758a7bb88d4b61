/** A namespace of a real OpenBao, set up as docs/openbao.md says: login and signature are made in it, and a wrong name is named. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { fetchRefusals } from '../../src/control/client.ts';
import { asAdministrator, findSecrets } from '../support/credential-rig.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { JIT_ROLE, jitPolicy, jitRole, type OpenBao, startOpenBao } from '../support/openbao.ts';
import { blocks } from '../support/pages.ts';
import { realPartsMissing } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { startWarden, type Warden } from '../support/warden.ts';

const missing = realPartsMissing();
let directory: TempDirectory;
let bao: OpenBao;
let sshd: Sshd;
let knownHosts: string;

const block = (name: string) => blocks('docs/openbao.md', `openbao:${name}`);
const read = (name: string) => readFileSync(directory.join(name), 'utf8').trim();

beforeAll(async () => {
  if (missing !== undefined) return;
  directory = tempDirectory('namespace-');
  bao = await startOpenBao();
  const approle = block('approle-server').replace('bao auth enable approle\n', '');
  const script = `${block('namespace-server')}${approle}\nbao read -field=public_key ssh/config/ca > ca.pub`;
  await asAdministrator(bao, directory, script.replaceAll('warden-jit-adm', JIT_ROLE));
  sshd = await startSshd({ userCas: [read('ca.pub')] });
  await bao.api('POST', `team-a/ssh/roles/${JIT_ROLE}`, jitRole([sshd.user]));
  await bao.api('POST', `team-a/sys/policies/acl/${JIT_ROLE}`, { policy: jitPolicy('ssh', JIT_ROLE) });
  knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await sshd?.stop();
  await bao?.stop();
  directory?.remove();
});

async function withWarden(more: Readonly<Record<string, unknown>>, look: (warden: Warden) => Promise<void>) {
  const page = z.object({ openbao: z.object({ auth: z.record(z.string(), z.unknown()) }).loose() });
  const { addr: _, auth, ...settings } = page.parse(parse(block('namespace'))).openbao;
  const named = { ...auth, role_id: read('role-id'), secret_id_file: directory.join('secret-id') };
  const warden = await startWarden({
    openbao: { addr: bao.addr, settings: { ...settings, auth: named, ...more } },
    lanes: { web: { hosts: [`[127.0.0.1]:${sshd.port}`], logins: [sshd.user], role: JIT_ROLE } },
    principals: [sshd.user],
    knownHosts: [knownHosts],
  });
  try {
    await look(warden);
  } finally {
    await warden.remove();
  }
}

const login = (warden: Warden) => ssh({ port: sshd.port, agent: warden.socket, knownHosts });

test('login and signature are made in the namespace', async () => {
  await withWarden({}, async (warden) => {
    const result = await login(warden);
    expect(result, `${result.stderr}${warden.log()}`).toMatchObject({ code: 0 });
    expect(findSecrets(warden, [read('secret-id')])).toEqual([]);
  });
});

test.each([
  ['another, which has no such login', { namespace: 'team-b' }, 'bao auth list'],
  ['none', { namespace: '' }, 'bao auth list'],
  ['one that is none', { namespace: 'team-x' }, 'correct openbao.namespace'],
])('%s: no login, and the line says where to look', async (_name, settings, hint) => {
  await bao.api('POST', 'sys/namespaces/team-b');
  await bao.api('POST', 'team-b/sys/mounts/ssh', { type: 'ssh' });
  await bao.api('POST', 'team-b/ssh/config/ca', { generate_signing_key: true, key_type: 'ed25519' });
  const where = settings.namespace === '' ? { namespace: undefined } : settings;
  await withWarden(where, async (warden) => {
    expect(await login(warden)).toMatchObject({ code: 255 });
    const [newest] = await fetchRefusals([warden.controlSocket], undefined);
    expect(newest?.hint).toContain(hint);
  });
});
