/** Rate limit quotas of a real OpenBao: a login waits where that ends in time, and else says how long to wait, without asking again before. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { NO_OPENBAO, type OpenBao, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { runInTerminal } from '../support/process.ts';
import { sshArgv } from '../support/ssh.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, newestRefusal, startFar } from './fault-rig.ts';

const missing = sshdMissing() ?? (openbaoMissing() ? NO_OPENBAO : undefined);
let bao: OpenBao;
let far: Far;
let warden: Warden;

/** One signature in each interval. */
async function limit(interval: string, headers = true): Promise<void> {
  const config = { enable_rate_limit_response_headers: headers };
  expect((await bao.api('POST', 'sys/quotas/config', config)).status).toBe(204);
  const quota = { path: `ssh/sign/${bao.role}`, rate: 1, interval };
  expect((await bao.api('POST', 'sys/quotas/rate-limit/sign', quota)).status).toBe(204);
}

const mints = () =>
  warden
    .trail()
    .filter(({ event }) => event === 'cert.issued' || event === 'cert.refused')
    .map(({ outcome, error_code }) => error_code ?? outcome);

beforeAll(async () => {
  if (missing !== undefined) return;
  bao = await startOpenBao();
  far = await startFar([bao.caPublicKey]);
});
beforeEach(async (context) => {
  if (missing !== undefined) context.skip(missing);
  const lane = { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [far.sshd.user], role: bao.role };
  warden = await startWarden({
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
    lanes: { web: lane },
    principals: [far.sshd.user],
    actors: { 'agt-tool': { type: 'agt', principals: [far.sshd.user], ttl_hours: 1 } },
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
  });
  return () => warden.remove();
});
afterAll(async () => {
  await far?.remove();
  await bao?.stop();
});

test.each([
  ['that it is told', true],
  ['that is usual, where it is told none', false],
])('a login waits for the time %s, and each try has its record', async (_name, headers) => {
  await limit('1s', headers);
  const logins = await Promise.all([far.login(warden.socket), far.login(warden.socket)]);
  expect(logins).toEqual(['certificate', 'certificate']);
  expect([...mints()].sort()).toEqual(['bao_rate_limited', 'ok', 'ok']);
});

test('one that would wait too long says how long, on its terminal and to programs, and asks no more until then', async () => {
  await limit('60s');
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(await far.login(warden.socket)).toBe('key');
  const refusal = await newestRefusal(warden);
  expect(refusal).toMatchObject({
    code: 'bao_rate_limited',
    message: `OpenBao answered 429 on ssh/sign/${bao.role}: request path "ssh/sign/${bao.role}": rate limit quota exceeded`,
    hint: expect.stringMatching(/^a rate limit quota of OpenBao: wait \d\d s, or ask its operator$/),
  });
  expect(mints()).toEqual(['ok', 'bao_rate_limited']);
  const argv = sshArgv({ port: far.sshd.port, identityAgent: warden.socket, knownHosts: far.knownHosts });
  const shown = await runInTerminal(argv, { deadline: 20_000 });
  expect(shown.stdout).toMatch(/warden: no certificate for 127.0.0.1: OpenBao answered 429 .* wait \d\d s/);
  const key = `${(await makeKey(warden.dir.path, 'tool')).path}.pub`;
  expect(await warden.cli(['sign', 'agt-tool', '--pubkey', key])).toMatchObject({
    code: 75,
    stdout: '',
    stderr: expect.stringMatching(/wait \d\d s/),
  });
  // What is refused before OpenBao is asked has no intent.
  expect(warden.trail().filter(({ phase }) => phase === 'intent')).toHaveLength(2);
});
