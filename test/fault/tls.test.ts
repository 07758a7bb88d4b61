/** Real OpenBao behind TLS with a CA of its own: a login with each way to say whom to trust, and one line that names the setting where it is missing. */
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { freePort, NO_OPENBAO, type OpenBao, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { blocks } from '../support/pages.ts';
import type { Environment } from '../support/process.ts';
import { sshdMissing } from '../support/sshd.ts';
import { type TempDirectory, tempDirectory } from '../support/temp.ts';
import { makeCa, makeCertificate, opensslMissing } from '../support/tls.ts';
import { startWarden, type Warden } from '../support/warden.ts';
import { type Far, newestRefusal, startFar } from './fault-rig.ts';

const missing = sshdMissing() ?? opensslMissing() ?? (openbaoMissing() ? NO_OPENBAO : undefined);
let pki: TempDirectory;
let bao: OpenBao;
let far: Far;
/** OpenBao's listeners: TLS; TLS that wants a client certificate; TLS 1.1 at most. */
const ports = { tls: 0, mutual: 0, old: 0 };
const at = (port: number) => `https://127.0.0.1:${port}`;
const pem = (name: string) => pki.join(`${name}.pem`);

beforeAll(async () => {
  if (missing !== undefined) return;
  pki = tempDirectory('pki-');
  for (const ca of ['ca', 'other-ca']) await makeCa(pki, ca);
  await makeCertificate(pki, 'ca', 'bao', 'DNS:bao.example.com,IP:127.0.0.1');
  await makeCertificate(pki, 'ca', 'client', 'DNS:client');
  await makeCertificate(pki, 'other-ca', 'stranger', 'DNS:client');
  mkdirSync(pki.join('cas'));
  symlinkSync(pem('other-ca'), pki.join('cas/other.pem'));
  symlinkSync(pem('ca'), pki.join('cas/5ca1ab1e.0'));
  for (const name of ['tls', 'mutual', 'old'] as const) ports[name] = await freePort();
  const listener = (port: number, more: string) => `listener "tcp" {
    address = "127.0.0.1:${port}"
    tls_cert_file = "${pem('bao')}"
    tls_key_file = "${pki.join('bao.key')}"
    ${more}
  }\n`;
  const listeners = [
    listener(ports.tls, ''),
    listener(ports.mutual, `tls_require_and_verify_client_cert = true\ntls_client_ca_file = "${pem('ca')}"`),
    listener(ports.old, 'tls_min_version = "tls10"\ntls_max_version = "tls11"'),
  ];
  bao = await startOpenBao({ args: [`-config=${pki.write('listeners.hcl', listeners.join(''))}`] });
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

async function withWarden(
  addr: string,
  settings: Readonly<Record<string, unknown>>,
  look: (warden: Warden) => Promise<void>,
  env: Environment = {},
): Promise<void> {
  const warden = await startWarden({
    openbao: { addr, token: bao.token, settings },
    lanes: { web: { hosts: [`[127.0.0.1]:${far.sshd.port}`], logins: [far.sshd.user], role: bao.role } },
    principals: [far.sshd.user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    env,
  });
  try {
    await look(warden);
  } finally {
    await warden.remove();
  }
}

/** The block of the documentation, without its address. */
function documented(): Readonly<Record<string, unknown>> {
  const page = z.object({ openbao: z.record(z.string(), z.unknown()) });
  const { addr: _, ...settings } = page.parse(parse(blocks('docs/openbao.md', 'openbao:tls'))).openbao;
  return settings;
}

type Way = readonly [addr: string, settings: Readonly<Record<string, unknown>>, env?: Environment];

describe('OpenBao behind TLS', () => {
  test.each<[string, () => Way]>([
    ['by the CA’s file', () => [at(ports.tls), { ca_cert: pem('ca') }]],
    ['by BAO_CACERT', () => [at(ports.tls), {}, { BAO_CACERT: pem('ca') }]],
    [
      'by the text in the environment',
      () => [at(ports.tls), {}, { BAO_CACERT_BYTES: readFileSync(pem('ca'), 'utf8') }],
    ],
    ['by a directory of CAs', () => [at(ports.tls), { ...documented(), ca_path: pki.join('cas') }]],
    ['by BAO_CAPATH', () => [at(ports.tls), {}, { BAO_CAPATH: pki.join('cas') }]],
    [
      'by the name in its certificate',
      () => [at(ports.tls), { ca_cert: pem('ca'), tls_server_name: 'bao.example.com' }],
    ],
    [
      'with a client certificate',
      () => [
        at(ports.mutual),
        { ca_cert: pem('ca'), client_cert: pem('client'), client_key: pki.join('client.key') },
      ],
    ],
    [
      'with a client certificate of the environment',
      () => [
        at(ports.mutual),
        {},
        {
          VAULT_CACERT: pem('ca'),
          VAULT_CLIENT_CERT: pem('client'),
          VAULT_CLIENT_KEY: pki.join('client.key'),
          VAULT_TLS_SERVER_NAME: 'bao.example.com',
        },
      ],
    ],
  ])('is trusted %s', async (_name, way) => {
    const [addr, settings, env] = way();
    await withWarden(
      addr,
      settings,
      async (warden) => {
        expect(await far.login(warden.socket)).toBe('certificate');
        expect(await far.login(warden.socket)).toBe('certificate');
        expect(warden.trail().at(-1)).toMatchObject({ event: 'cert.used' });
      },
      env,
    );
  });

  test('anybody is trusted with skip_verify, and the log, status, doctor and --check say so', async () => {
    const line = /openbao\.skip_verify \(\S+\): the token goes to whoever answers/;
    const look = async (warden: Warden) => {
      expect(await far.login(warden.socket)).toBe('certificate');
      expect(warden.log()).toMatch(new RegExp(`"level":40.*${line.source}`));
      expect((await warden.cli(['status'])).stdout).toMatch(line);
      expect((await warden.cli(['agent', '--check'])).stdout).toMatch(line);
      expect((await warden.cli(['doctor'])).stdout).toMatch(line);
    };
    await withWarden(at(ports.tls), { skip_verify: true }, look);
    await withWarden(at(ports.tls), {}, look, { BAO_SKIP_VERIFY: '1' });
  });

  test.each<[string, () => Way, code: string, message: RegExp, hint: string]>([
    [
      'another CA',
      () => [at(ports.tls), { ca_cert: pem('other-ca') }],
      'bao_unreachable',
      /can't reach OpenBao at https:\/\/127\.0\.0\.1:\d+: [A-Z_]+$/,
      'openbao.ca_cert',
    ],
    [
      "no CA file, only the system's",
      () => [at(ports.tls), {}],
      'bao_unreachable',
      /can't reach OpenBao at https:\/\/127\.0\.0\.1:\d+: [A-Z_]+$/,
      'openbao.ca_cert',
    ],
    [
      'another name',
      () => [at(ports.tls), { ca_cert: pem('ca'), tls_server_name: 'vault.example.com' }],
      'bao_unreachable',
      /ERR_TLS_CERT_ALTNAME_INVALID$/,
      'openbao.tls_server_name',
    ],
    [
      'https where only http is spoken',
      () => [bao.addr.replace('http:', 'https:'), { ca_cert: pem('ca') }],
      'bao_unreachable',
      /can't reach OpenBao at https:/,
      'http or https',
    ],
    [
      'TLS 1.1',
      () => [at(ports.old), { ca_cert: pem('ca') }],
      'bao_unreachable',
      /protocol.version/i,
      'TLS 1.2',
    ],
    [
      'no client certificate where one is wanted',
      () => [at(ports.mutual), { ca_cert: pem('ca') }],
      'bao_disconnected',
      /certificate.required/i,
      'openbao.client_cert',
    ],
    [
      'a client certificate of another CA',
      () => [
        at(ports.mutual),
        { ca_cert: pem('ca'), client_cert: pem('stranger'), client_key: pki.join('stranger.key') },
      ],
      'bao_disconnected',
      /alert/i,
      'openbao.client_cert',
    ],
  ])('%s: one line that says what to look at', async (_name, way, code, message, hint) => {
    const [addr, settings] = way();
    await withWarden(addr, settings, async (warden) => {
      expect(await far.login(warden.socket)).toBe('key');
      const refusal = await newestRefusal(warden);
      expect(refusal).toMatchObject({ code, hint: expect.stringContaining(hint) });
      expect(refusal.message).toMatch(message);
    });
  });
});
