/** What a real OpenBao refuses, and the token that it knows no longer: one line each that names the field and what to do, as `warden why` prints it. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { whySchema } from '../../src/control/messages.ts';
import { NO_OPENBAO, type OpenBao, openbaoMissing, startOpenBao } from '../support/openbao.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden, type WardenOptions } from '../support/warden.ts';
import { type Far, jumpingClock, startFar } from './fault-rig.ts';

const missing = sshdMissing() ?? (openbaoMissing() ? NO_OPENBAO : undefined);
let bao: OpenBao;
let far: Far;

beforeAll(async () => {
  if (missing !== undefined) return;
  bao = await startOpenBao();
  far = await startFar([bao.caPublicKey]);
});
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
afterAll(async () => {
  await far?.remove();
  await bao?.stop();
});

/** A daemon with one lane for sshd, which asks for an extension, a critical option and a key id. */
function startAsking(options: Partial<WardenOptions>): Promise<Warden> {
  return startWarden({
    openbao: { addr: bao.addr, token: bao.token },
    lanes: {
      web: {
        hosts: [`[127.0.0.1]:${far.sshd.port}`],
        logins: [far.sshd.user],
        role: bao.role,
        extensions: ['permit-pty'],
        critical_options: { 'force-command': 'true' },
      },
    },
    principals: [far.sshd.user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    clock: jumpingClock(),
    ...options,
  });
}

/** The last refusal as `warden why --json` prints it. */
async function why(warden: Warden) {
  const { stdout, stderr } = await warden.cli(['why', '127.0.0.1', '--json']);
  expect(stderr).toBe('');
  return whySchema.parse({ refusals: JSON.parse(stdout) }).refusals[0];
}

/** Logs in, which must happen with the upstream key, and returns the one line that says why, with its hint. */
async function refusedWith(warden: Warden, code: string): Promise<string> {
  expect(await far.login(warden.socket)).toBe('key');
  const refusal = await why(warden);
  expect(refusal).toMatchObject({ code, lane: 'web', hosts: expect.arrayContaining(['127.0.0.1']) });
  const line = `${refusal?.message} → ${refusal?.hint}`;
  expect(line).not.toMatch(/[\n\t\0]|\? \?|\?\?/);
  return line;
}

describe('a role that does not allow what a lane asks for', () => {
  let warden: Warden;
  beforeAll(async () => {
    if (missing === undefined)
      warden = await startAsking({
        openbao: { addr: bao.addr, token: bao.token, settings: { key_id: 'actor' } },
      });
  });
  afterAll(async () => {
    await warden?.remove();
  });

  test.each([
    ['ttl', { ttl: '30s', max_ttl: '30s' }, 'ttl is larger than maximum allowed 30', 'ssh.ttl'],
    ['principals', { allowed_users: 'nobody' }, 'valid_principals', 'allowed_users'],
    ['principals', { allowed_users: '' }, 'any principals', 'allowed_users'],
    ['extensions', { allowed_extensions: 'permit-user-rc' }, '[permit-pty]', 'allowed_extensions'],
    [
      'critical_options',
      { allowed_critical_options: 'source-address' },
      '[force-command]',
      'allowed_critical_options',
    ],
    ['key_id', { allow_user_key_ids: false }, 'key_id', 'allow_user_key_ids=true'],
    ['public_key', { allowed_user_key_lengths: { rsa: 4096 } }, 'ed25519', 'allowed_user_key_lengths'],
  ])('%s: %o', async (field, role, reason, hint) => {
    await bao.writeRole(bao.role, { allow_user_key_ids: true, ...role });
    const line = await refusedWith(warden, 'bao_bad_request');
    expect(line).toContain(`OpenBao refuses the ${field} on ssh/sign/warden-jit: `);
    expect(line).toContain(reason);
    expect(line).toContain(hint);
  });

  test('no such role', async () => {
    await bao.api('DELETE', `ssh/roles/${bao.role}`);
    const line = await refusedWith(warden, 'bao_bad_request');
    expect(line).toContain('OpenBao refuses the role on ssh/sign/warden-jit: Unknown role: warden-jit');
    expect(line).toContain('ssh.role');
  });

  test('allowed: the key id is the actor', async () => {
    await bao.writeRole(bao.role, { allow_user_key_ids: true });
    expect(await far.login(warden.socket)).toBe('certificate');
    expect(far.sshd.logins().at(-1)?.certificate?.keyId).toBe('adm-test');
  });
});

describe('a place in OpenBao that is not there', () => {
  test.each([
    ['mount', { mount: 'nowhere' }, 'openbao.mount'],
    ['namespace', { namespace: 'nobody' }, 'openbao.namespace'],
  ])('%s', async (field, settings, hint) => {
    const warden = await startAsking({ openbao: { addr: bao.addr, token: bao.rootToken, settings } });
    try {
      const line = await refusedWith(warden, 'bao_bad_request');
      expect(line).toContain(`OpenBao refuses the ${field} on `);
      expect(line).toContain(hint);
    } finally {
      await warden.remove();
    }
  });

  test('a wrong mount of which a pinned CA is known: 404 with a token that may all, 403 with one that may not', async () => {
    for (const [token, code, words] of [
      [bao.rootToken, 'bao_bad_request', 'OpenBao refuses the mount on nowhere/sign/warden-jit'],
      [bao.token, 'bao_denied', 'path "nowhere/sign/warden-jit" { capabilities = ["update"] }'],
    ] as const) {
      const settings = { mount: 'nowhere', ssh_ca: [bao.caFingerprint] };
      const warden = await startAsking({ openbao: { addr: bao.addr, token, settings } });
      try {
        expect(await refusedWith(warden, code)).toContain(words);
      } finally {
        await warden.remove();
      }
    }
  });
});

describe('the token', () => {
  test('ends in mid-life, and the next login takes the new one from the file', async () => {
    await bao.writeRole(bao.role, {});
    const token = await bao.createToken();
    const file = far.directory.write('token', `${token}\n`);
    const warden = await startAsking({
      openbao: {
        addr: bao.addr,
        settings: { auth: { method: 'token', token_env: 'WARDEN_TEST_TOKEN', token_file: file } },
      },
    });
    try {
      expect(await far.login(warden.socket)).toBe('certificate');
      // Not by its time: how long a login takes is the machine's affair.
      expect((await bao.api('POST', 'auth/token/revoke', { token })).status).toBe(204);
      const line = await refusedWith(warden, 'no_token');
      expect(line).toContain('has expired, was revoked or is used up');
      expect(line).toContain('bao login');
      writeFileSync(file, bao.token);
      expect(await far.login(warden.socket)).toBe('certificate');
    } finally {
      await warden.remove();
    }
  });

  test('is nowhere: the line names the variable and the file', async () => {
    const file = far.directory.join('no-token');
    const warden = await startAsking({
      openbao: {
        addr: bao.addr,
        settings: { auth: { method: 'token', token_env: 'WARDEN_TEST_TOKEN', token_file: file } },
      },
    });
    try {
      const line = await refusedWith(warden, 'no_token');
      expect(line).toContain('WARDEN_TEST_TOKEN');
      expect(line).toContain(file);
      expect(line).toContain('bao login');
      writeFileSync(file, bao.token);
      expect(await far.login(warden.socket)).toBe('certificate');
    } finally {
      await warden.remove();
    }
  });
});
