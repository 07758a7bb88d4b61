/**
 * docs/openbao.md: each section's blocks taken from the file and used, the administrator's by the real `bao`, the configuration by a daemon that
 * then logs in; and what becomes of a login whose secret rotates, is wrong, or was taken by somebody else.
 */
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findSecrets, useCredentialRig } from '../support/credential-rig.ts';
import { freePort } from '../support/openbao.ts';
import { BAO, ROLE, useOpenBaoPage } from '../support/openbao-page.ts';
import { runInTerminal, start, type Typed } from '../support/process.ts';
import { makeCa, makeCertificate, opensslMissing } from '../support/tls.ts';
import { LAUNCHER, type Warden } from '../support/warden.ts';

let tlsPort = 0;

const rig = useCredentialRig(async (directory) => {
  if (opensslMissing() !== undefined) return {};
  await makeCa(directory, 'machines-ca');
  await makeCertificate(directory, 'machines-ca', 'bao', 'IP:127.0.0.1');
  await makeCertificate(directory, 'machines-ca', 'tunnel-1', 'DNS:tunnel-1');
  tlsPort = await freePort();
  const listener = `listener "tcp" {
    address = "127.0.0.1:${tlsPort}"
    tls_cert_file = "${directory.join('bao.pem')}"
    tls_key_file = "${directory.join('bao.key')}"
  }\n`;
  return { args: [`-config=${directory.write('listener.hcl', listener)}`] };
});

const { block, asAdministrator, byDocumentation, logsIn, refusal, read } = useOpenBaoPage(rig);

function loginRecords(warden: Warden) {
  return warden.trail().filter(({ event }) => event.startsWith('login.'));
}

test('token', async () => {
  const { bao, directory } = rig();
  const token = await bao.createToken({ policies: [ROLE] });
  const file = directory.write('.vault-token', token);
  const warden = await byDocumentation('token', { auth: { token_env: 'NOT_SET', token_file: file } });
  await logsIn(warden);
  expect(findSecrets(warden, [token])).toEqual([]);
});

describe('approle', () => {
  beforeAll(async () => {
    await asAdministrator(block('approle-server'));
  });
  const named = () => ({ role_id: read('role-id'), secret_id_file: rig().directory.join('secret-id') });

  test('with the secret id in a file; each login reads it anew', async () => {
    const { bao } = rig();
    const warden = await byDocumentation('approle', { auth: named() });
    await logsIn(warden);
    const former = read('secret-id');
    await asAdministrator(
      'bao write -force -field=secret_id auth/approle/role/warden/secret-id > next && mv next secret-id',
    );
    // What warden logged in with is gone, and its token with it.
    await bao.api('POST', 'auth/approle/role/warden/secret-id/destroy', { secret_id: former });
    await bao.api('POST', 'sys/leases/revoke-prefix/auth/approle/login');
    await logsIn(warden);
    expect(warden.trail().filter(({ error_code }) => error_code !== undefined)).toMatchObject([
      { error_code: 'token_expired', event: 'cert.refused', phase: 'result' },
    ]);
    // As who it was: not told once more.
    expect(loginRecords(warden)).toMatchObject([
      {
        event: 'login.ok',
        source: 'daemon',
        bao: { method: 'approle', identity: expect.stringMatching(/^approle/) },
      },
    ]);
    expect(findSecrets(warden, [former, read('secret-id')])).toEqual([]);
  });

  test('with the secret id in the environment, out of which it is taken', async () => {
    const { role_id } = named();
    const secret = read('secret-id');
    const config = { method: 'approle', role_id, secret_id_env: 'WARDEN_SECRET_ID' };
    const warden = await rig().daemon(config, { role: ROLE, env: { WARDEN_SECRET_ID: secret } });
    await logsIn(warden);
    expect(findSecrets(warden, [secret])).toEqual([]);
  });

  test('that is wrong: the line names the place and what to do', async () => {
    const file = rig().directory.write('wrong', 'd41d8cd9-wrong');
    const warden = await byDocumentation('approle', { auth: { ...named(), secret_id_file: file } });
    const line = await refusal(warden);
    expect(line).toMatchObject({ code: 'login_refused' });
    expect(line?.message).toContain('auth/approle/login: invalid role or secret ID');
    expect(line?.hint).toContain(file);
    const missing = await byDocumentation('approle', {
      auth: { ...named(), secret_id_file: '/nonexistent' },
    });
    expect(await refusal(missing)).toMatchObject({ code: 'no_token', hint: 'put a secret id there' });
    await rig().login(warden);
    expect(loginRecords(warden)).toMatchObject([
      { event: 'login.failed', source: 'daemon', outcome: 'denied', error_code: 'login_refused' },
    ]);
    expect(findSecrets(warden, ['d41d8cd9-wrong'])).toEqual([]);
  });

  test('in a mount that is not there', async () => {
    const warden = await byDocumentation('approle', { auth: { ...named(), mount: 'elsewhere' } });
    const line = await refusal(warden);
    expect(line?.hint).toContain('bao auth list');
  });

  const wrap = (path: string) =>
    asAdministrator(`bao write -wrap-ttl=10m -force -field=wrapping_token ${path} > wrapped`);
  const wrapped = () => ({
    role_id: read('role-id'),
    secret_id_file: rig().directory.join('wrapped'),
    secret_id_wrapped: true,
  });

  test('wrapped: unwrapped once, and kept for the next login', async () => {
    await wrap('auth/approle/role/warden/secret-id');
    const warden = await byDocumentation('approle', { auth: wrapped() });
    await logsIn(warden);
    await rig().bao.api('POST', 'sys/leases/revoke-prefix/auth/approle/login');
    await logsIn(warden);
    expect(findSecrets(warden, [read('wrapped')])).toEqual([]);
  });

  test.each([
    [
      'unwrapped by somebody else',
      'bao unwrap -field=secret_id $(cat wrapped) > stolen',
      'unwrapped by somebody else',
    ],
    [
      'taken and wrapped anew',
      'bao write -wrap-ttl=10m -field=wrapping_token sys/wrapping/wrap secret_id=$(bao unwrap -field=secret_id $(cat wrapped)) > forged && mv forged wrapped',
      'was made by sys/wrapping/wrap',
    ],
  ])('wrapped and %s: no login, and it is said', async (_name, theft, words) => {
    await wrap('auth/approle/role/warden/secret-id');
    await asAdministrator(theft);
    const warden = await byDocumentation('approle', { auth: wrapped() });
    const line = await refusal(warden);
    expect(line).toMatchObject({ code: 'login_refused', message: expect.stringContaining(words) });
    expect(line?.hint).toContain('find out who');
    expect(findSecrets(warden, [read('wrapped')])).toEqual([]);
  });

  test('inline: no token is made, and none is held', async () => {
    const warden = await byDocumentation('inline', { auth: named() });
    await logsIn(warden);
    await logsIn(warden);
    const { cert } = warden.trail().findLast(({ event }) => event === 'cert.issued') ?? {};
    expect(cert?.key_id).toContain('approle');
    expect(findSecrets(warden, [read('secret-id')])).toEqual([]);
    const file = rig().directory.write('wrong', 'd41d8cd9-wrong');
    const wrong = await byDocumentation('inline', { auth: { ...named(), secret_id_file: file } });
    expect(await refusal(wrong)).toMatchObject({
      message: expect.stringContaining('invalid role or secret ID'),
    });
  });

  test('by a proxy on a Unix socket: no credential in warden at all', async () => {
    const { bao, directory } = rig();
    const socket = directory.socket('bao.sock');
    const config = block('proxy-server')
      .replace('https://bao.example.com:8200', bao.addr)
      .replace('/run/warden/bao.sock', socket);
    directory.write('proxy.hcl', config);
    const env = { HOME: directory.path };
    const proxy = start(BAO, ['proxy', '-config=proxy.hcl'], { cwd: directory.path, env });
    onTestFinished(async () => void (await proxy.stop()));
    await proxy.waitFor('renewed auth token', 20_000);
    const warden = await byDocumentation('proxy', { addr: `unix://${socket}` });
    await logsIn(warden);
    expect(findSecrets(warden, [read('secret-id')])).toEqual([]);
    await proxy.stop();
    expect(await refusal(warden)).toMatchObject({ code: expect.stringMatching(/^bao_/) });
  });
});

/** A JWT, signed with ES256. */
function jwt(
  key: ReturnType<typeof generateKeyPairSync>['privateKey'],
  claims: Readonly<Record<string, unknown>>,
): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const body = `${part({ alg: 'ES256', typ: 'JWT' })}.${part({ iat: now, exp: now + 600, ...claims })}`;
  return `${body}.${sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const issuer = generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('jwt', () => {
  const claims = { aud: 'warden', sub: 'tunnel-1' };
  beforeAll(async () => {
    rig().directory.write('issuer.pem', issuer.publicKey.export({ type: 'spki', format: 'pem' }));
    await asAdministrator(block('jwt-server'));
  });

  test('in a file that rotates', async () => {
    const { bao, directory } = rig();
    const first = jwt(issuer.privateKey, { ...claims, jti: '1' });
    const file = directory.write('jwt', first);
    const warden = await byDocumentation('jwt', { auth: { jwt_file: file } });
    await logsIn(warden);
    writeFileSync(file, jwt(issuer.privateKey, { aud: 'another', sub: 'tunnel-1' }));
    // The token is good as long as it is good.
    await logsIn(warden);
    await bao.api('POST', 'sys/leases/revoke-prefix/auth/jwt/login');
    const line = await refusal(warden);
    expect(line).toMatchObject({ code: 'login_refused', message: expect.stringContaining('audience') });
    expect(line?.hint).toContain(file);
    const second = jwt(issuer.privateKey, { ...claims, jti: '2' });
    writeFileSync(file, second);
    await logsIn(warden);
    expect(findSecrets(warden, [first, second])).toEqual([]);
  });

  test('in the environment; inline as well', async () => {
    const WARDEN_JWT = jwt(issuer.privateKey, claims);
    for (const inline of [false, true]) {
      const auth = { method: 'jwt', role: 'warden', jwt_env: 'WARDEN_JWT', inline };
      const warden = await rig().daemon(auth, { role: ROLE, env: { WARDEN_JWT } });
      await logsIn(warden);
      expect(findSecrets(warden, [WARDEN_JWT])).toEqual([]);
    }
  });
});

test('kubernetes, with a stand-in for TokenReview', async (context) => {
  const missing = opensslMissing();
  if (missing !== undefined) context.skip(missing);
  const { directory } = rig();
  const account = { name: 'warden', uid: '0e0f' };
  const token = jwt(issuer.privateKey, {
    'kubernetes.io': { namespace: 'default', serviceaccount: account },
  });
  const reviews: string[] = [];
  const cluster = createServer((request, response) => {
    reviews.push(`${request.method} ${request.url}`);
    request.resume();
    const user = { username: 'system:serviceaccount:default:warden', uid: account.uid };
    response.setHeader('content-type', 'application/json');
    response.statusCode = 201;
    const kind = { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1' };
    response.end(JSON.stringify({ ...kind, status: { authenticated: true, user } }));
  });
  await new Promise<void>((resolve) => cluster.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void cluster.close());
  const address = cluster.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const here = `http://127.0.0.1:${address.port} disable_local_ca_jwt=true kubernetes_ca_cert=@machines-ca.pem`;
  await asAdministrator(block('kubernetes-server').replace('https://kubernetes.default.svc', here));
  const file = directory.write('service-account', token);
  const warden = await byDocumentation('kubernetes', { auth: { jwt_file: file } });
  await logsIn(warden);
  expect(reviews).toEqual(['POST /apis/authentication.k8s.io/v1/tokenreviews']);
  expect(findSecrets(warden, [token])).toEqual([]);
});

/** RFC 6238, of an `otpauth://` address as OpenBao gives it: SHA-1, 6 digits, 30 s. */
function totp(url: string, now = Date.now()): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const secret = (new URL(url).searchParams.get('secret') ?? '').replace(/=+$/, '');
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const mac = createHmac('sha1', key).update(counter).digest();
  const code = (mac.readUInt32BE((mac.at(-1) ?? 0) & 15) & 0x7fffffff) % 1_000_000;
  return String(code).padStart(6, '0');
}

describe('userpass', () => {
  const PASSWORD = 'correct-horse-battery';
  const server = (name: string) => asAdministrator(`PASSWORD=${PASSWORD}\n${block(name)}`);
  const login = (warden: Warden, ...typed: Typed[]) =>
    runInTerminal([LAUNCHER, 'login'], {
      env: { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile },
      typed,
      deadline: 60_000,
    });
  const password = (send: string): Typed => ({ after: 'Password of alice for OpenBao: ', send: `${send}\r` });

  test('a person logs in on the terminal, out and in again; MFA is asked for', async () => {
    await server('userpass-server');
    const warden = await byDocumentation('userpass');
    expect(await refusal(warden)).toMatchObject({ code: 'no_token', hint: 'warden login' });

    const wrong = await login(warden, password('wrong-password'));
    expect(wrong).toMatchObject({ code: 77 });
    expect(wrong.stdout).toContain('invalid username or password');

    const right = await login(warden, password(PASSWORD));
    expect(right, right.stdout).toMatchObject({ code: 0 });
    expect(right.stdout).toContain('logged in: userpass-alice (entity ');
    expect(right.stdout).toContain('(user alice at auth/userpass)');
    await logsIn(warden);

    const out = await warden.cli(['logout']);
    expect(out).toMatchObject({ code: 0, stdout: 'logged out (user alice at auth/userpass)\n' });
    expect(await refusal(warden)).toMatchObject({ code: 'no_token', hint: 'warden login' });

    const noTerminal = await warden.cli(['login']);
    expect(noTerminal).toMatchObject({ code: 64, stderr: expect.stringContaining('there is no terminal') });

    // OpenBao made an entity at the first login; the documentation begins without.
    await asAdministrator(
      "bao list -format=json identity/entity/id | tr -d '[]\", \\n' > entities; [ ! -s entities ] || bao delete identity/entity/id/$(cat entities)",
    );
    await server('mfa-server');
    const passcode = totp(read('alice-totp'));
    const second = await login(warden, password(PASSWORD), {
      after: 'Passcode (totp): ',
      send: `${passcode}\r`,
    });
    expect(second, second.stdout).toMatchObject({ code: 0 });
    await logsIn(warden);
    const logins = loginRecords(warden);
    const by = { source: 'warden login', bao: { method: 'userpass' } };
    const ok = { event: 'login.ok', message: 'user alice at auth/userpass' };
    expect(logins).toMatchObject([
      { ...by, event: 'login.failed', outcome: 'denied', error_code: 'login_refused' },
      { ...by, ...ok },
      { ...by, ...ok },
    ]);
    const identity = expect.stringMatching(/^userpass-alice \(entity /);
    expect(logins[1]?.bao).toMatchObject({
      identity,
      accessor_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const outputs = [wrong.stdout, right.stdout, second.stdout];
    expect(findSecrets(warden, [PASSWORD, 'wrong-password', passcode], ...outputs)).toEqual([]);
  }, 120_000);
});

test('a service is logged out until somebody says otherwise, and its token is revoked', async () => {
  const { bao, directory } = rig();
  const made = await bao.createToken({ policies: [ROLE] });
  const file = directory.write('mine', made);
  const warden = await byDocumentation('token', { auth: { token_env: 'NOT_SET', token_file: file } });
  await logsIn(warden);
  expect(await warden.cli(['logout'])).toMatchObject({ code: 0 });
  expect((await bao.api('POST', 'auth/token/lookup', { token: made })).status).toBe(403);
  writeFileSync(file, await bao.createToken({ policies: [ROLE] }));
  expect(await refusal(warden)).toMatchObject({ code: 'no_token', hint: 'warden login' });
  expect(await warden.cli(['login'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('token-warden-test'),
  });
  await logsIn(warden);
});

test('cert', async (context) => {
  const missing = opensslMissing();
  if (missing !== undefined) context.skip(missing);
  const { directory } = rig();
  await asAdministrator(block('cert-server'));
  const files = {
    client_cert: directory.join('tunnel-1.pem'),
    client_key: directory.join('tunnel-1.key'),
    ca_cert: directory.join('machines-ca.pem'),
  };
  const addr = `https://127.0.0.1:${tlsPort}`;
  const warden = await byDocumentation('cert', { addr, settings: files });
  await logsIn(warden);
  const other = { ...files, client_cert: directory.join('bao.pem'), client_key: directory.join('bao.key') };
  const stranger = await byDocumentation('cert', { addr, settings: other });
  const line = await refusal(stranger);
  expect(line).toMatchObject({ code: 'login_refused' });
  expect(line?.hint).toContain('client_cert');
  expect(findSecrets(warden, [readFileSync(files.client_key, 'utf8').split('\n')[1] ?? ''])).toEqual([]);
});
