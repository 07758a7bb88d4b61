/** The control of through-warden.test.ts: the same clients through OpenSSH's own agent, with a certificate of a file. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CERTIFICATE_CLIENTS, type ClientName, clientLogin, clientMissing } from '../support/clients.ts';
import { certify, makeKey } from '../support/keys.ts';
import { hostName, knownHostsLine, writeKnownHosts } from '../support/known-hosts.ts';
import { type SshAgent, startSshAgent } from '../support/ssh-agent.ts';
import { type Sshd, sshdMissing, startSshd } from '../support/sshd.ts';
import { tempDirectory } from '../support/temp.ts';

const noSshd = sshdMissing();
const directory = tempDirectory();
let agent: SshAgent;
let sshd: Sshd;
let knownHosts: string;

beforeAll(async () => {
  if (noSshd !== undefined) return;
  const ca = await makeKey(directory.path, 'ca');
  const key = await makeKey(directory.path, 'id');
  sshd = await startSshd({ userCas: [ca.publicKey] });
  knownHosts = await writeKnownHosts(directory, sshd.knownHosts());
  await certify(ca, key, { principals: [sshd.user], serial: 7 });
  agent = await startSshAgent();
  await agent.add(key.path);
});
afterAll(async () => {
  await agent?.stop();
  await sshd?.stop();
  directory.remove();
});

const login = (client: ClientName, hosts = knownHosts) => {
  const { port, user } = sshd;
  return clientLogin(client, { port, user, knownHosts: hosts, agent: agent.socket, command: 'echo in' });
};

describe.each(CERTIFICATE_CLIENTS)('%s', (client) => {
  beforeEach((context) => {
    const missing = noSshd ?? clientMissing(client);
    if (missing !== undefined) context.skip(missing);
  });

  test('logs in with a certificate that it finds in the agent', async () => {
    const before = sshd.logins().length;
    expect(await login(client)).toMatchObject({ stdout: 'in\n', code: 0 });
    const [accepted, ...others] = (await sshd.waitForLogins(before + 1)).slice(before);
    expect(others).toEqual([]);
    expect(accepted).toMatchObject({ keyType: 'ED25519-CERT', certificate: { serial: 7n } });
  });

  test('goes no further with a host whose key is another one', async () => {
    const before = sshd.logins().length;
    const { publicKey } = await makeKey(directory.path, `not-the-host-${client.replace(/\W/g, '')}`);
    const line = knownHostsLine([hostName('127.0.0.1', sshd.port)], publicKey);
    const result = await login(client, await writeKnownHosts(directory, [line], { name: 'others' }));
    expect(result).toMatchObject({ stdout: '', timedOut: false });
    expect(result.code).not.toBe(0);
    expect(sshd.logins()).toHaveLength(before);
  });
});

test('paramiko 4 dies of a certificate in the list', async (context) => {
  const missing = noSshd ?? clientMissing('paramiko 4');
  if (missing !== undefined) context.skip(missing);
  const result = await login('paramiko 4');
  expect(result).toMatchObject({ stdout: '', code: 1 });
  expect(result.stderr).toContain('Traceback');
});
