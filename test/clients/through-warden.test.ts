/**
 * Clients that send no session-bind: on the agent's own socket they have the keys of the agent behind it and no certificate; on the
 * socket of a destination whose lane allows it each login has a certificate of its own. Their control is through-ssh-agent.test.ts.
 */
import { userInfo } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CERTIFICATE_CLIENTS, type ClientName, clientLogin, clientMissing } from '../support/clients.ts';
import { type KeyFile, makeKey } from '../support/keys.ts';
import { hostName } from '../support/known-hosts.ts';
import { type Rig, realPartsMissing, startRig } from '../support/rig.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { tempDirectory } from '../support/temp.ts';
import { watch } from '../support/witness.ts';

const missing = realPartsMissing();
const PRINCIPAL = 'without-a-bind';
const directory = tempDirectory();
let key: KeyFile;
let upstream: SshAgent;
let rig: Rig;
/** What `warden agent socket` prints for the rig's host, and for its user there. */
let ofHost: string;
let ofLogin: string;

beforeAll(async () => {
  if (missing !== undefined) return;
  key = await makeKey(directory.path, 'id');
  upstream = await startSshAgent();
  await upstream.add(key.path);
  rig = await startRig({
    bao: { allowedUsers: [PRINCIPAL] },
    sshd: {
      hostKeys: ['ed25519', 'ecdsa256', 'rsa'],
      authorizedKeys: [key.publicKey],
      principals: { [userInfo().username]: [PRINCIPAL] },
    },
    lane: { unbound: 'allow', principals: [PRINCIPAL] },
    warden: () => ({ principals: [PRINCIPAL], upstream: upstream.socket }),
  });
  const { sshd, warden } = rig;
  const ask = ['agent', 'socket', hostName('127.0.0.1', sshd.port)];
  ofHost = (await warden.cli(ask)).stdout.trim();
  ofLogin = (await warden.cli([...ask, '--login', sshd.user])).stdout.trim();
});
afterAll(async () => {
  await rig?.remove();
  await upstream?.stop();
  directory.remove();
});

const login = (client: ClientName, agent: string) => {
  const { knownHosts, sshd } = rig;
  const { port, user } = sshd;
  return clientLogin(client, { port, user, knownHosts, agent, command: 'echo in' });
};

describe.each([...CERTIFICATE_CLIENTS, 'paramiko 4'] as const)('%s on the own socket', (client) => {
  beforeEach((context) => {
    const reason = missing ?? clientMissing(client);
    if (reason !== undefined) context.skip(reason);
  });

  test('logs in with the key of the agent behind; nothing is minted', async () => {
    const { sshd, warden } = rig;
    const before = sshd.logins().length;
    const seen = watch(warden, sshd);
    expect(await login(client, warden.socket)).toMatchObject({ stdout: 'in\n', code: 0 });
    const accepted = (await sshd.waitForLogins(before + 1)).slice(before);
    expect(accepted).toMatchObject([{ keyType: 'ED25519', certificate: undefined }]);
    const codes = () => seen.records().map(({ error_code }) => error_code);
    await expect.poll(codes, { timeout: 10_000 }).toEqual(['no_binding']);
  });
});

describe.each(CERTIFICATE_CLIENTS)('%s on a destination socket', (client) => {
  beforeEach((context) => {
    const reason = missing ?? clientMissing(client);
    if (reason !== undefined) context.skip(reason);
  });

  test('each login has a certificate of its own, by the socket of the host and by that of the login name', async () => {
    const seen = watch(rig.warden, rig.sshd);
    expect(await login(client, ofHost)).toMatchObject({ stdout: 'in\n', code: 0 });
    expect(await login(client, ofLogin)).toMatchObject({ stdout: 'in\n', code: 0 });
    await seen.certifiedLogins(2);
    const intents = seen.records().filter(({ phase }) => phase === 'intent');
    expect(intents.map(({ unbound, source }) => [unbound, source])).toEqual([
      [true, `destination_socket ${ofHost}`],
      [true, `destination_socket ${ofLogin}`],
    ]);
  });
});
