/** The connections to a real OpenBao over TLS, through relays of the test's own: kept warm, found dead after a sleep, a second one ready. */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { IDLE_TRUSTED_MS } from '../../src/http/connection.ts';
import { freePort, NO_OPENBAO, type OpenBao, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { until } from '../support/process.ts';
import { type Relay, startRelay } from '../support/relay.ts';
import { sshdMissing } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { makeCa, makeCertificate, opensslMissing } from '../support/tls.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, jumpingClock, startFar } from './fault-rig.ts';

const missing = sshdMissing() ?? opensslMissing() ?? (openbaoMissing() ? NO_OPENBAO : undefined);
const SLEEP_MS = 2 * IDLE_TRUSTED_MS;
let pki: TempDirectory;
let bao: OpenBao;
let far: Far;
/** Listeners: as usual; one that closes what is idle for a second. */
const ports = { tls: 0, hasty: 0 };

beforeAll(async () => {
  if (missing !== undefined) return;
  pki = tempDirectory('pki-');
  await makeCa(pki, 'ca');
  await makeCertificate(pki, 'ca', 'bao', 'IP:127.0.0.1');
  for (const name of ['tls', 'hasty'] as const) ports[name] = await freePort();
  const listener = (port: number, more: string) => `listener "tcp" {
    address = "127.0.0.1:${port}"
    tls_cert_file = "${pki.join('bao.pem')}"
    tls_key_file = "${pki.join('bao.key')}"
    ${more}
  }\n`;
  const listeners = listener(ports.tls, '') + listener(ports.hasty, 'http_idle_timeout = "1s"');
  bao = await startOpenBao({ args: [`-config=${pki.write('listeners.hcl', listeners)}`] });
  await bao.api('POST', 'sys/auth/approle', { type: 'approle' });
  const approle = { token_policies: bao.role, bind_secret_id: false, token_bound_cidrs: '127.0.0.0/8' };
  await bao.api('POST', 'auth/approle/role/warden', approle);
  far = await startFar([bao.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await far?.remove();
  await bao?.stop();
  pki?.remove();
});

async function relay(port: number, delayMs = 0): Promise<Relay> {
  const made = await startRelay(port, delayMs);
  onTestFinished(() => made.stop().catch(() => undefined));
  return made;
}

const clock = jumpingClock();

/** A daemon that has its token and has opened what it wants open. */
async function ready(relays: readonly Relay[], auth?: Readonly<Record<string, unknown>>): Promise<Warden> {
  const { port, user } = far.sshd;
  const addr = relays.map((each) => `https://127.0.0.1:${each.port}`);
  const settings = { addr, ca_cert: pki.join('ca.pem'), ...(auth === undefined ? {} : { auth }) };
  const warden = await startWarden({
    openbao: { addr: addr[0] ?? '', token: bao.token, settings },
    lanes: { web: { hosts: [`[127.0.0.1]:${port}`], logins: [user], role: bao.role } },
    principals: [user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    clock,
  });
  onTestFinished(() => warden.remove());
  const identity = async () => (await fetchStatus([warden.controlSocket])).openbao?.identity;
  await expect.poll(identity).toBeTruthy();
  await until('each address has been asked', () => relays.every((each) => each.roundTrips() > 0));
  await new Promise((resolve) => setTimeout(resolve, 200));
  return warden;
}

const results = (warden: Warden) =>
  warden
    .trail()
    .filter(({ event }) => event === 'cert.issued' || event === 'cert.refused')
    .map(({ error_code }) => error_code ?? 'ok');

test.each([
  ['a token', undefined],
  ['AppRole', { method: 'approle' }],
])(
  'with %s a login costs one round trip to OpenBao, over a way of 20 ms in each direction',
  async (_name, auth) => {
    const way = await relay(ports.tls, 20);
    const role = await bao.api('GET', 'auth/approle/role/warden/role-id');
    const role_id = /"role_id":"([^"]+)"/.exec(role.text)?.[1];
    const warden = await ready([way], auth === undefined ? undefined : { ...auth, role_id });
    const before = way.connections();
    for (let login = 0; login < 2; login += 1) {
      way.forget();
      expect(await far.login(warden.socket)).toBe('certificate');
      expect(way.roundTrips()).toBe(1);
    }
    expect(way.connections()).toBe(before);
  },
);

test('a connection that died while the laptop slept costs one retry, with a record of its own, and no pause', async () => {
  const way = await relay(ports.tls);
  const warden = await ready([way]);
  expect(await far.login(warden.socket)).toBe('certificate');
  const before = way.connections();
  way.silence();
  clock.jump(SLEEP_MS);
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(results(warden)).toEqual(['ok', 'bao_disconnected', 'ok']);
  expect((await fetchStatus([warden.controlSocket])).openbao?.paused).toBeNull();
  expect(way.connections()).toBe(before + 1);
});

test('so it is with two addresses, whose connections died both', async () => {
  const ways = [await relay(ports.tls), await relay(ports.tls)];
  const warden = await ready(ways);
  for (const way of ways) way.silence();
  clock.jump(SLEEP_MS);
  expect(await far.login(warden.socket)).toBe('certificate');
  expect(results(warden)).toEqual(['bao_disconnected', 'ok']);
});

test('a second address has its connection ready when the first goes away', async () => {
  const [first, second] = [await relay(ports.tls), await relay(ports.tls)];
  const warden = await ready([first, second]);
  expect(await far.login(warden.socket)).toBe('certificate');
  await first.stop();
  const before = second.connections();
  second.forget();
  expect(await far.login(warden.socket)).toBe('certificate');
  expect([second.connections(), second.roundTrips()]).toEqual([before, 1]);
});

test('one that OpenBao closes for being idle is opened again before anybody needs it', async () => {
  const way = await relay(ports.hasty);
  await ready([way]);
  const before = way.connections();
  clock.jump(SLEEP_MS);
  await until('another connection', () => way.connections() > before);
  way.forget();
  await until('a question on it', () => way.roundTrips() > 0);
});
