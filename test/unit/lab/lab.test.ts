import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import type { CertificateFields } from '../../../src/lab/certificate-writer.ts';
import { LAB_ROLE, type Lab, startLab } from '../../../src/lab/lab.ts';
import type { Override } from '../../../src/lab/openbao.ts';
import type { LabRequest } from '../../../src/lab/openbao-routes.ts';
import type { LoginReport } from '../../../src/lab/ssh-auth.ts';
import { certificateBlobOf, parseCertificate } from '../../../src/ssh/certificate.ts';
import { ssh } from './ssh-lab.ts';

const root = mkdtempSync(join(tmpdir(), 'warden-lab-'));
const key = join(root, 'key');
const logins: LoginReport[] = [];
const log: string[] = [];
let lab: Lab;
let fault: ((request: LabRequest) => Override | undefined) | undefined;
let alter: ((fields: CertificateFields) => CertificateFields) | undefined;

beforeAll(async () => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], { timeout: 20_000 });
  lab = await startLab({
    dir: join(root, 'lab'),
    log: (line) => log.push(line),
    onLogin: (report) => logins.push(report),
    intercept: async (request) => fault?.(request),
    sign: (fields) => alter?.(fields) ?? fields,
  });
});
afterAll(async () => {
  await lab.stop();
  rmSync(root, { recursive: true, force: true });
});

function sign(): Promise<Response> {
  return fetch(`${lab.openbaoUrl}/v1/ssh/sign/${LAB_ROLE}`, {
    method: 'POST',
    headers: { 'X-Vault-Token': readFileSync(join(lab.dir, 'token'), 'utf8').trim() },
    body: JSON.stringify({
      public_key: readFileSync(`${key}.pub`, 'utf8').split(' ').slice(0, 2).join(' '),
      valid_principals: 'demo',
    }),
    signal: AbortSignal.timeout(10_000),
  });
}

/** The `signed_key` of an answer's text. */
function signedKey(text: string): string {
  return /"signed_key":"([^"\\]+)/.exec(text)?.[1] ?? '';
}

describe('startLab', () => {
  it('writes a configuration that loads, and nothing that others may read', () => {
    const config = loadConfig({
      env: { ...lab.exports, BAO_TOKEN: 'a real token that the lab must not see' },
      uid: userInfo().uid,
      home: root,
      flags: {},
    });
    expect(config.openbao.addresses).toEqual([lab.openbaoUrl]);
    expect(config.openbao.sshCa).toEqual([lab.openbao.caFingerprint]);
    expect(config.openbao.auth).toMatchObject({
      tokenEnv: expect.not.arrayContaining(['BAO_TOKEN']),
      tokenFile: join(lab.dir, 'token'),
    });
    expect(config.actor?.name).toBe('adm-lab');
    expect(config.lanes.map((lane) => lane.id)).toContain('lab');
    expect(config.agent.knownHosts).toEqual([lab.knownHosts]);
    expect(config.stateDir.startsWith(lab.dir)).toBe(true);
    for (const entry of readdirSync(lab.dir, { recursive: true, encoding: 'utf8' })) {
      expect(statSync(join(lab.dir, entry)).mode & 0o077, entry).toBe(0);
    }
  });

  it('signs with its token what its servers accept, by the ssh_config that it wrote', async () => {
    const response = await sign();
    expect(response.headers.get('x-warden-lab')).toBe('not for production');
    writeFileSync(`${key}-cert.pub`, signedKey(await response.text()));
    for (const host of ['lab', 'other']) {
      const outcome = await ssh(['-F', lab.sshConfig, '-i', key, host, 'echo in']);
      expect(outcome, outcome.stderr).toMatchObject({ status: 0, stdout: 'in\n' });
    }
    const hop = await ssh([
      '-F',
      lab.sshConfig,
      '-i',
      key,
      '-o',
      `ProxyCommand=ssh -F ${lab.sshConfig} -i ${key} -W %h:%p lab`,
      'other',
      'echo jumped',
    ]);
    expect(hop, hop.stderr).toMatchObject({ status: 0, stdout: 'jumped\n' });
    expect(logins.at(-1)?.certificate?.keyId).toMatch(/^warden-token-warden-lab-/);
    rmSync(`${key}-cert.pub`);
    expect((await ssh(['-F', lab.sshConfig, '-i', key, 'lab', 'true'])).status).toBe(255);
  });

  it('takes plain keys of its authorized_keys file, looked at anew', async () => {
    writeFileSync(lab.authorizedKeys, readFileSync(`${key}.pub`));
    expect((await ssh(['-F', lab.sshConfig, '-i', key, 'lab', 'true'])).status).toBe(0);
    writeFileSync(lab.authorizedKeys, '');
    expect((await ssh(['-F', lab.sshConfig, '-i', key, 'lab', 'true'])).status).toBe(255);
  });

  it('says in every log line that it is not for production', () => {
    expect(log.length).toBeGreaterThan(0);
    expect(log.filter((line) => !line.includes('not for production'))).toEqual([]);
  });
});

describe('hooks for faults', () => {
  it('answers with whatever a test wants', async () => {
    fault = () => ({ status: 502, headers: { 'Content-Type': 'text/html' }, body: '<html>' });
    const response = await sign();
    expect(response.status).toBe(502);
    expect(response.headers.get('content-type')).toBe('text/html');
    expect(await response.text()).toBe('<html>');
  });

  it('cuts the connection, before the answer or in the middle', async () => {
    fault = () => ({ cutAfter: 0 });
    await expect(sign()).rejects.toThrow();
    fault = () => ({ body: '{"data":{"signed_key":', cutAfter: 5 });
    const response = await sign();
    await expect(response.text()).rejects.toThrow();
    fault = undefined;
  });

  it('changes a certificate before it is signed', async () => {
    alter = (fields) => ({ ...fields, certType: 'host', principals: ['root', ...fields.principals] });
    const certificate = parseCertificate(certificateBlobOf(signedKey(await (await sign()).text())));
    alter = undefined;
    expect(certificate).toMatchObject({ certType: 'host', principals: ['root', 'demo'] });
  });
});
