/** OpenBao behind TLS with a CA of its own: a login with the CA's file, and one line that names the setting where the trust is missing. */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LabOpenBao, startLabOpenBao } from '../../src/lab/openbao.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { findProgram, mustRun } from '../support/process.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, jumpingClock, newestRefusal, startFar } from './fault-rig.ts';

const missing =
  sshdMissing() ?? (findProgram('openssl') === undefined ? 'no openssl on this machine' : undefined);
let lab: LabOpenBao;
let far: Far;
let proxy: Server;
let port: number;

async function makeCertificates(): Promise<void> {
  const openssl = (...args: string[]) => mustRun('openssl', args, { cwd: far.directory.path });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'other-ca'])
    await openssl('req', '-x509', ...key, '-keyout', `${ca}.key`, '-out', `${ca}.pem`, '-subj', `/CN=${ca}`);
  await openssl('req', ...key, '-keyout', 'bao.key', '-out', 'bao.csr', '-subj', '/CN=bao');
  far.directory.write('names', 'subjectAltName=DNS:bao.example.com,IP:127.0.0.1\n');
  const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names'];
  await openssl('x509', '-req', '-in', 'bao.csr', ...signed, '-out', 'bao.pem');
}

/** Hands a request on to the lab, as a TLS listener of OpenBao would. */
function pass(incoming: IncomingMessage, response: ServerResponse): void {
  const { method, url, headers } = incoming;
  const onward = request(`${lab.url}${url}`, { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  incoming.pipe(onward);
}

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({ roles: { [JIT_ROLE]: jitRole(['*']) } });
  far = await startFar([lab.caPublicKey]);
  await makeCertificates();
  const read = (name: string) => readFileSync(far.directory.join(name));
  proxy = createServer({ key: read('bao.key'), cert: read('bao.pem') }, pass);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  port = address.port;
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  await far?.remove();
  await lab?.stop();
});

function startWith(addr: string, settings: Readonly<Record<string, unknown>>): Promise<Warden> {
  return startWarden({
    openbao: { addr, token: lab.tokens.create(JIT_ROLE), settings },
    lanes: { web: { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [far.sshd.user], role: JIT_ROLE } },
    principals: [far.sshd.user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    clock: jumpingClock(),
  });
}

describe('OpenBao behind TLS', () => {
  test.each([
    ['by address', {}],
    ['by the name in its certificate', { tls_server_name: 'bao.example.com' }],
  ])('is trusted by the CA file, %s', async (_name, settings) => {
    const warden = await startWith(`https://127.0.0.1:${port}`, {
      ca_cert: far.directory.join('ca.pem'),
      ...settings,
    });
    try {
      expect(await far.login(warden.socket)).toBe('certificate');
      expect(await far.login(warden.socket)).toBe('certificate');
    } finally {
      await warden.remove();
    }
  });

  test.each<[string, () => [addr: string, settings: Record<string, unknown>], message: RegExp, hint: string]>(
    [
      [
        'another CA',
        () => [`https://127.0.0.1:${port}`, { ca_cert: far.directory.join('other-ca.pem') }],
        /can't reach OpenBao at https:\/\/127\.0\.0\.1:\d+: [A-Z_]+$/,
        'openbao.ca_cert',
      ],
      [
        "no CA file, only the system's",
        () => [`https://127.0.0.1:${port}`, {}],
        /can't reach OpenBao at https:\/\/127\.0\.0\.1:\d+: [A-Z_]+$/,
        'openbao.ca_cert',
      ],
      [
        'another name',
        () => [
          `https://127.0.0.1:${port}`,
          { ca_cert: far.directory.join('ca.pem'), tls_server_name: 'vault.example.com' },
        ],
        /ERR_TLS_CERT_ALTNAME_INVALID$/,
        'openbao.tls_server_name',
      ],
      [
        'https where only http is spoken',
        () => [lab.url.replace('http:', 'https:'), { ca_cert: far.directory.join('ca.pem') }],
        /can't reach OpenBao at https:/,
        'http or https',
      ],
    ],
  )('%s: one line that says what to look at', async (_name, where, message, hint) => {
    const warden = await startWith(...where());
    try {
      expect(await far.login(warden.socket)).toBe('key');
      const refusal = await newestRefusal(warden);
      expect(refusal).toMatchObject({ code: 'bao_unreachable', hint: expect.stringContaining(hint) });
      expect(refusal.message).toMatch(message);
    } finally {
      await warden.remove();
    }
  });
});
