/**
 * docs/openbao.md, `method: oidc`: a person logs in by browser at a real OpenID Connect provider, in each of OpenBao's three callback modes,
 * and what becomes of a login that is given up, refused, taken over, or meddled with.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { findSecrets, useCredentialRig } from '../support/credential-rig.ts';
import {
  browse,
  CLIENT_SECRET,
  type IdentityProvider,
  startIdentityProvider,
} from '../support/identity-provider.ts';
import { freePort } from '../support/openbao.ts';
import { type Given, useOpenBaoPage } from '../support/openbao-page.ts';
import { type Background, PYTHON, start, TERMINAL, until } from '../support/process.ts';
import { clientArguments, sshArgv } from '../support/ssh.ts';
import { LAUNCHER, type Warden } from '../support/warden.ts';

const rig = useCredentialRig();
const { block, asAdministrator, byDocumentation, logsIn, refusal } = useOpenBaoPage(rig);
let idp: IdentityProvider;
let redirect = '';

/** What the page calls the machines, as they are called here. */
function here(text: string): string {
  return text
    .replaceAll('https://login.example.com', idp.url)
    .replaceAll('https://bao.example.com:8200', rig().bao.addr)
    .replaceAll('http://localhost:8250/oidc/callback', redirect)
    .replaceAll('poll_interval=2', 'poll_interval=1');
}

beforeAll(async () => {
  redirect = `http://localhost:${await freePort()}/oidc/callback`;
  idp = await startIdentityProvider([redirect, `${rig().bao.addr}/v1/auth/oidc/oidc/callback`]);
  await asAdministrator(`CLIENT_SECRET=${CLIENT_SECRET}\n${here(block('oidc-server'))}`);
});
afterAll(async () => {
  await idp?.stop();
});

const ALICE = { login: 'alice', password: 'any' };

interface Login {
  readonly client: Background;
  /** The address that it printed. */
  readonly url: string;
}

/** `warden login`, up to the address. */
async function begin(warden: Warden): Promise<Login> {
  const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile };
  const client = start(LAUNCHER, ['login', '--no-browser'], { env, stdin: '', deadline: 60_000 });
  onTestFinished(async () => void (await client.stop()));
  const output = await client.waitFor(/^https?:\/\/\S+\n/m);
  return { client, url: /^https?:\/\/\S+$/m.exec(output)?.[0] ?? '' };
}

/** Nothing of a login is where it may not be, but for the address, which the person is shown. */
function expectNoSecrets(warden: Warden, ...outputs: string[]): void {
  const nonces = outputs.flatMap((text) => [...text.matchAll(/client_nonce=([^&\s]+)/g)].map(String));
  expect(nonces).toEqual([]);
  expect(idp.given.length).toBeGreaterThan(0);
  expect(findSecrets(warden, [CLIENT_SECRET, ...idp.given], ...outputs)).toEqual([]);
}

const atOurPort = (more: Readonly<Record<string, unknown>> = {}, given: Given = {}) =>
  byDocumentation('oidc', { auth: { redirect_uri: redirect, ...more }, ...given });

describe('client: the browser comes back to the daemon', () => {
  test('a person logs in; the token is in memory only', async () => {
    const warden = await atOurPort();
    expect(await refusal(warden)).toMatchObject({ code: 'no_token', hint: 'warden login' });
    const { client, url } = await begin(warden);
    expect(await browse(url, ALICE)).toBe('warden is logged in to OpenBao. You can close this window.\n');
    const { stdout, stderr, code } = await client.ended;
    expect({ stdout, code }).toMatchObject({
      stdout: expect.stringMatching(
        /^logged in: oidc-alice \(entity [0-9a-f-]+\) \(role people at auth\/oidc\)\n$/,
      ),
      code: 0,
    });
    await logsIn(warden);
    const record = warden.trail().find(({ event }) => event === 'login.ok');
    expect(record).toMatchObject({ source: 'warden login', message: 'role people at auth/oidc' });
    const bao = { method: 'oidc', identity: expect.stringMatching(/^oidc-alice \(entity /) };
    expect(record?.bao).toMatchObject({ ...bao, accessor_hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expectNoSecrets(warden, stdout, stderr);
    const doctor = await warden.cli(['doctor']);
    expect(doctor.stdout).toMatch(
      /the agent is logged in as oidc-alice \(entity \S+\); what its token may do can't be seen/,
    );
    await expect(fetch(redirect)).rejects.toThrow('fetch failed');
    expect(await warden.cli(['logout'])).toMatchObject({ code: 0 });
    expect(await refusal(warden)).toMatchObject({ code: 'no_token' });
  });

  test('what is not this login’s is turned away, and it goes on', async () => {
    const warden = await atOurPort();
    const { client, url } = await begin(warden);
    const visit = async (target: string, method = 'GET') => {
      const response = await fetch(target, { method, signal: AbortSignal.timeout(5_000) });
      return [response.status, (await response.text()).trim()];
    };
    const state = new URL(url).searchParams.get('state');
    const other = [400, 'This is not the login that warden waits for.'];
    expect(await visit(`${redirect}?state=another&code=c`)).toEqual(other);
    expect(await visit(`${redirect}?code=c`)).toEqual(other);
    const [status, text] = await visit(`${redirect}?state=${state}&code=c`, 'POST');
    expect([status, text]).toEqual([405, expect.stringContaining('oidc_response_mode=query')]);
    expect(await visit(new URL(`/?state=${state}&code=c`, redirect).href)).toEqual([404, 'not here']);
    await browse(url, ALICE);
    expect(await client.ended).toMatchObject({ code: 0 });
  });

  test('a code that the provider did not give: OpenBao refuses, page and command say so', async () => {
    const warden = await atOurPort();
    const { client, url } = await begin(warden);
    const state = new URL(url).searchParams.get('state');
    const page = await (await fetch(`${redirect}?state=${state}&code=forged`)).text();
    expect(page).toMatch(/^warden is not logged in: .*invalid_grant/);
    expect(await client.ended).toMatchObject({ code: 77, stderr: expect.stringContaining('invalid_grant') });
    expect(await refusal(warden)).toMatchObject({ code: 'no_token' });
  });

  test('the person cancels at the provider', async () => {
    const warden = await atOurPort();
    const { client, url } = await begin(warden);
    expect(await browse(url, { cancel: '' })).toBe('The provider refused the login: access_denied\n');
    expect(await client.ended).toMatchObject({ code: 77, stderr: expect.stringContaining('access_denied') });
  });

  test('somebody whom the role does not take', async () => {
    const role = { role_type: 'oidc', user_claim: 'sub', bound_subject: 'bob' };
    const only = { ...role, allowed_redirect_uris: [redirect], token_policies: ['warden-jit-adm'] };
    await rig().bao.api('POST', 'auth/oidc/role/bob', only);
    const warden = await atOurPort({ role: 'bob' });
    const { client, url } = await begin(warden);
    expect(await browse(url, ALICE)).toContain('sub claim does not match bound subject');
    const { code, stderr } = await client.ended;
    expect({ code, stderr }).toMatchObject({ code: 77, stderr: expect.stringContaining('bound subject') });
  });

  test('one who gives up leaves the port; one who begins anew takes it over', async () => {
    const warden = await atOurPort();
    const given = await begin(warden);
    given.client.signal('SIGINT');
    await given.client.ended;
    const taken = await begin(warden);
    const next = await begin(warden);
    expect(await taken.client.ended).toMatchObject({
      code: 77,
      stderr: expect.stringContaining('was given up'),
    });
    await browse(next.url, ALICE);
    expect(await next.client.ended).toMatchObject({ code: 0 });
  });

  test('a set-up that leads nowhere is named', async () => {
    const squatter = createServer();
    const port = await freePort();
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => void squatter.close());
    const fails = async (auth: Readonly<Record<string, unknown>>) => {
      const { code, stderr } = await (await atOurPort(auth)).cli(['login', '--no-browser']);
      return `${code}: ${stderr}`;
    };
    const taken = { redirect_uri: `http://localhost:${port}/oidc/callback` };
    expect(await fails(taken)).toMatch(/^77: .*can't listen on 127\.0\.0\.1 port \d+: EADDRINUSE/);
    const elsewhere = { redirect_uri: 'https://else.example.com/oidc/callback' };
    expect(await fails(elsewhere)).toMatch(/^77: .*OpenBao names no address to log in at for role people/);
    const open = { role_type: 'oidc', user_claim: 'sub', allowed_redirect_uris: [elsewhere.redirect_uri] };
    await rig().bao.api('POST', 'auth/oidc/role/open', open);
    expect(await fails({ ...elsewhere, role: 'open' })).toMatch(/^78: .*would come back to https:\/\/else/);
    expect(await fails({ role: 'nobody' })).toMatch(/^77: .*role \\?"nobody\\?" could not be found/);
    expect(await fails({ mount: 'elsewhere' })).toMatch(/^77: .*is that method mounted there/s);
  });

  test('a browser is opened on a terminal with a display, unless told otherwise', async () => {
    const warden = await atOurPort();
    const opened = warden.dir.join('opened');
    warden.dir.write(
      'xdg-open',
      `#!/bin/sh\n{ echo "$@"; env; } > ${opened}.new && mv ${opened}.new ${opened}\n`,
      0o700,
    );
    const onTerminal = (args: readonly string[], env: Readonly<Record<string, string>>) => {
      const all = {
        HOME: warden.dir.path,
        WARDEN_CONFIG: warden.configFile,
        PATH: `${warden.dir.path}:${process.env['PATH']}`,
        BAO_TOKEN: 'not for a browser',
        ...env,
      };
      const client = start(PYTHON, [TERMINAL, LAUNCHER, 'login', ...args], { env: all, deadline: 30_000 });
      onTestFinished(async () => void (await client.stop()));
      return client;
    };
    await onTerminal([], {}).waitFor(/open this in a browser:\r\nhttp\S+\r\n/);
    await onTerminal(['--no-browser'], { DISPLAY: ':9' }).waitFor(/open this in a browser:\r\nhttp\S+\r\n/);
    const output = await onTerminal([], { DISPLAY: ':9' }).waitFor(
      /your browser, which opens this:\r\nhttp\S+\r\n/,
    );
    const url = /^http\S+/m.exec(output)?.[0];
    const seen = await until('xdg-open', () => {
      try {
        return readFileSync(opened, 'utf8');
      } catch {
        return undefined;
      }
    });
    expect(seen.split('\n')[0]).toBe(url);
    expect(seen).toContain('DISPLAY=:9');
    expect(seen).not.toContain('BAO_TOKEN');
  });
});

test('direct: the browser comes back to OpenBao, which asks to confirm', async () => {
  await asAdministrator(here(block('oidc-direct-server')));
  const uri = `${rig().bao.addr}/v1/auth/oidc/oidc/callback`;
  const warden = await byDocumentation('oidc-direct', { auth: { redirect_uri: uri } });
  expect(block('oidc-direct')).toContain('https://bao.example.com:8200/v1/auth/oidc/oidc/callback');
  const { client, url } = await begin(warden);
  expect(await browse(url, ALICE)).toContain('OpenBao Authentication Succeeded');
  const { stdout, stderr, code } = await client.ended;
  expect({ stdout, code }).toMatchObject({
    stdout: expect.stringMatching(/^logged in: oidc-alice /),
    code: 0,
  });
  await logsIn(warden);
  expectNoSecrets(warden, stdout, stderr);
});

describe('device: the browser is anywhere', () => {
  beforeAll(async () => {
    await asAdministrator(`${here(block('oidc-device-server')).trim()} poll_interval=1`);
  });

  test('a person logs in', async () => {
    const warden = await byDocumentation('oidc');
    const { client, url } = await begin(warden);
    expect(await browse(url, ALICE)).toContain('Sign-in Success');
    const { stdout, stderr, code } = await client.ended;
    expect({ stdout, code }).toMatchObject({
      stdout: expect.stringMatching(/^logged in: oidc-alice /),
      code: 0,
    });
    await logsIn(warden);
    expectNoSecrets(warden, stdout, stderr);
  });

  test('the person cancels at the provider', async () => {
    const warden = await byDocumentation('oidc');
    const { client, url } = await begin(warden);
    await browse(url, { cancel: '' });
    expect(await client.ended).toMatchObject({ code: 77, stderr: expect.stringContaining('access_denied') });
  });

  test('a provider that wants the code typed: it stands beside the address', async () => {
    idp.wantTypedCodes();
    const warden = await byDocumentation('oidc');
    const { client, url } = await begin(warden);
    const code = /open this in a browser \(code ([A-Z-]+)\):/.exec(client.stderr())?.[1] ?? '';
    expect(url).toBe(`${idp.url}/device`);
    expect(await browse(url, { ...ALICE, user_code: code })).toContain('Sign-in Success');
    expect(await client.ended).toMatchObject({ code: 0 });
  });

  test('one who gives up is asked about no more', async () => {
    const warden = await byDocumentation('oidc');
    const { client } = await begin(warden);
    client.signal('SIGINT');
    await client.ended;
    // As many as the daemon lets wait at once: those that were given up are not among them.
    for (let more = 0; more < 4; more++) {
      const { client: next } = await begin(warden);
      next.signal('SIGINT');
      await next.ended;
    }
    const { client: last, url } = await begin(warden);
    const code = /\(code ([A-Z-]+)\)/.exec(last.stderr())?.[1] ?? '';
    await browse(url, { ...ALICE, user_code: code });
    expect(await last.ended).toMatchObject({ code: 0 });
  });
});

describe('ssh waits, and says itself where to log in', () => {
  const WAIT = { wait_for_login: '60s' };
  beforeAll(async () => {
    await asAdministrator(here(block('oidc-server')).split('\n').slice(3).join('\n'));
  });

  /** ssh on a terminal. */
  const ssh = (warden: Warden): Background => {
    const { sshd, knownHosts } = rig();
    const argv = sshArgv({ port: sshd.port, identityAgent: warden.socket, knownHosts });
    const client = start(PYTHON, [TERMINAL, ...argv], { deadline: 60_000 });
    onTestFinished(async () => void (await client.stop()));
    return client;
  };
  const told = async (client: Background): Promise<string> => {
    const output = await client.waitFor(
      /your login to OpenBao \(role people at auth\/oidc\), at:\r+\nhttp\S+\r+\n/,
    );
    return /^http\S+/m.exec(output)?.[0] ?? '';
  };

  test('one address for all; no other command is needed', async () => {
    const warden = await atOurPort({}, { lane: WAIT });
    const clients = [ssh(warden), ssh(warden)];
    const [url = '', same] = await Promise.all(clients.map(told));
    expect(same).toBe(url);
    expect(await browse(url, ALICE)).toContain('warden is logged in to OpenBao');
    const who = expect.stringMatching(/^warden: logged in to OpenBao: oidc-alice \(entity \S+\)\r+\n$/m);
    for (const client of clients) expect(await client.ended).toMatchObject({ code: 0, stdout: who });
    const logins = warden.trail().filter(({ event }) => event.startsWith('login.'));
    expect(logins).toMatchObject([{ event: 'login.ok', source: 'ssh', bao: { method: 'oidc' } }]);
    expectNoSecrets(warden, ...clients.map((client) => client.stdout()));
  });

  test('the notifier has the address whole', async () => {
    const { directory, sshd, knownHosts } = rig();
    const file = directory.write('told', '');
    const agent = { notify_command: ['sh', '-c', 'cat >> "$0"', file] };
    const warden = await atOurPort({}, { lane: WAIT, agent });
    const argv = sshArgv({ port: sshd.port, identityAgent: warden.socket, knownHosts });
    const client = start('ssh', argv.slice(1), { deadline: 60_000 });
    onTestFinished(async () => void (await client.stop()));
    const url = await until('the address', () => /^http\S+\n/m.exec(readFileSync(file, 'utf8'))?.[0].trim());
    await browse(url, ALICE);
    expect(await client.ended).toMatchObject({ code: 0 });
  });

  test('the person cancels: refused at once', async () => {
    const warden = await atOurPort({}, { lane: WAIT });
    const client = ssh(warden);
    await browse(await told(client), { cancel: '' });
    const words = 'the provider refused the login: access_denied';
    expect(await client.ended).toMatchObject({ code: 255, stdout: expect.stringContaining(words) });
  });

  test('warden login takes over, and ssh goes on when that is done; what a person does gives way to no ssh', async () => {
    const warden = await atOurPort({}, { lane: WAIT });
    const first = ssh(warden);
    await told(first);
    const { client, url } = await begin(warden);
    const second = ssh(warden);
    await second.waitFor('your login to OpenBao: warden login (role people at auth/oidc)');
    await browse(url, ALICE);
    expect(await client.ended).toMatchObject({ code: 0 });
    for (const each of [first, second]) expect(await each.ended).toMatchObject({ code: 0 });
  });

  test('a configuration with another role: the former address leads nowhere, and its port is free', async () => {
    const warden = await atOurPort({}, { lane: WAIT });
    const first = ssh(warden);
    const former = await told(first);
    const text = readFileSync(warden.configFile, 'utf8');
    writeFileSync(warden.configFile, text.replace('role: people', 'role: People'));
    expect(await warden.cli(['agent', '--reload'])).toMatchObject({ code: 0 });
    expect(await first.ended).toMatchObject({ code: 255 });
    const next = ssh(warden);
    const output = await next.waitFor(/\(role People at auth\/oidc\), at:\r+\nhttp\S+\r+\n/);
    expect(await browse(former, ALICE)).toContain('not the login that warden waits for');
    await browse(/^http\S+/m.exec(output)?.[0] ?? '', ALICE);
    expect(await next.ended).toMatchObject({ code: 0 });
  });

  test('also by the agent of one ssh, which no command finds', async () => {
    const warden = await atOurPort({}, { lane: WAIT });
    await warden.stop();
    const { sshd, knownHosts } = rig();
    const words = [...clientArguments({ port: sshd.port, knownHosts }), '127.0.0.1', 'echo', 'inside'];
    const env = { HOME: warden.dir.path, WARDEN_CONFIG: warden.configFile };
    const client = start(PYTHON, [TERMINAL, LAUNCHER, 'access', ...words], { env, deadline: 60_000 });
    onTestFinished(async () => void (await client.stop()));
    await browse(await told(client), ALICE);
    await client.waitFor('inside');
  });
});
