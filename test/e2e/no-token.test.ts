/** Without a token: `warden sign`, `warden access`, the agent's log and `warden why` say which variables are empty, and how to come by one. */
import { expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { runInTerminal, until } from '../support/process.ts';
import { useRig } from '../support/rig.ts';
import { clientArguments } from '../support/ssh.ts';
import { LAUNCHER } from '../support/warden.ts';

const EMPTY = /no OpenBao token: BAO_TOKEN and VAULT_TOKEN empty, \S+\/\.vault-token missing or empty/;
const HOW =
  /bao login, or warden login .*scripts\/credential\.py exec --grant ops-warden\/warden-sign --purpose WHY --ttl 15m -- COMMAND \(lane ops-warden-warden-sign-token\)/;

const rig = useRig({
  warden: ({ bao, sshd }) => ({
    openbao: { addr: bao.addr, settings: { auth: { method: 'token' }, role_map: { agt: bao.role } } },
    actors: { 'agt-tool': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
    env: { BAO_TOKEN: '' },
  }),
});

/** Without a daemon to be found. */
const alone = () => ({ ...rig().warden.env, WARDEN_SOCKET: '/nonexistent/agent.sock' });

test('the agent says so when it starts, and of whom it refuses a certificate', async () => {
  const { login, warden } = rig();
  await until('the log has it', () => EMPTY.test(warden.log()));
  expect(warden.log()).toMatch(HOW);
  expect(await login()).toMatchObject({ code: 255 });
  const { stdout } = await warden.cli(['why']);
  expect(stdout).toMatch(EMPTY);
  expect(stdout).toMatch(HOW);
});

test('warden sign, through the agent and without one: 77', async () => {
  const { warden } = rig();
  const key = `${(await makeKey(warden.dir.path, 'tool')).path}.pub`;
  for (const env of [warden.env, alone()]) {
    const result = await warden.cli(['sign', 'agt-tool', '--pubkey', key], env);
    expect(result).toMatchObject({ code: 77, stdout: '' });
    expect(result.stderr).toMatch(EMPTY);
    expect(result.stderr).toMatch(HOW);
  }
});

test('warden access, whose agent is its own', async () => {
  const { sshd, knownHosts } = rig();
  const argv = [LAUNCHER, 'access', ...clientArguments({ port: sshd.port, knownHosts }), '127.0.0.1', 'true'];
  // It ends: nothing holds the terminal any more.
  const shown = await runInTerminal(argv, { env: alone(), deadline: 20_000 });
  expect(shown).toMatchObject({ code: 255, timedOut: false });
  expect(shown.stdout).toMatch(EMPTY);
  expect(shown.stdout).toMatch(HOW);
});
