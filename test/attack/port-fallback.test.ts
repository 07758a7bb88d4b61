/**
 * `ssh -p 2222 web1` looks up `[web1]:2222`, and `web1` only where known_hosts has no line for the first (sshconnect.c: check_host_key).
 * So a hostile service on another port of a host, or behind it, must not pass for the host itself; and who logs in by the plain line does.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MESSAGE } from '../../agent/protocol/messages.ts';
import { hostileClientArgv, parseHostileAnswer } from '../support/asyncssh.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { ssh } from '../support/ssh.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const missing = realPartsMissing();
const directory = tempDirectory();
let key: KeyFile;
let hostile: Sshd;
let rig: Rig;
let knownHosts: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  key = await makeKey(directory.path, 'key');
  hostile = await startSshd({ authorizedKeys: [key.publicKey] });
  rig = await startRig({
    lane: { hosts: ['127.0.0.1'] },
    warden: ({ directory: files }) => ({ knownHosts: [files.join('plain')] }),
  });
  // The covered host is known by its plain name, the service on the other port by its own.
  const [covered] = rig.sshd.hostKeys;
  const lines = [knownHostsLine(['127.0.0.1'], covered?.publicKey ?? ''), ...hostile.knownHosts()];
  knownHosts = await writeKnownHosts(rig.directory, lines, { name: 'plain', hashed: true });
});
afterAll(async () => {
  await rig?.remove();
  await hostile?.stop();
  directory.remove();
});

function lastRecord() {
  return rig.warden.trail().at(-1);
}

test('a login that ssh verifies by the plain line gets its certificate', async (ctx) => {
  if (missing !== undefined) ctx.skip(missing);
  expect(await rig.login({ knownHosts })).toMatchObject({ stderr: '', code: 0 });
  await expect.poll(() => lastRecord()).toMatchObject({ event: 'cert.used', host: '127.0.0.1' });
});

test('a service on another port, whose ssh never bound a session here, gets none for the host', async (ctx) => {
  if (missing !== undefined) ctx.skip(missing);
  const far = directory.socket('far');
  const result = await ssh({
    port: hostile.port,
    knownHosts,
    identities: [key.path],
    args: ['-R', `${far}:${rig.warden.socket}`],
    command: hostileClientArgv({ port: rig.sshd.port, agent: far }),
  });
  const answer = parseHostileAnswer(result.stdout);
  expect(answer).toMatchObject({ bind: MESSAGE.success, list: MESSAGE.identitiesAnswer, identities: [] });
  await expect
    .poll(() => lastRecord())
    .toMatchObject({ event: 'agent.bind_refused', error_code: 'not_direct' });
});
