/** The method `token` against a real OpenBao: tokens of every kind through their whole life, as logins see it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fetchRefusals, fetchStatus } from '../../src/control/client.ts';
import { findSecrets, useCredentialRig } from '../support/credential-rig.ts';
import type { Warden } from '../support/warden.ts';

const rig = useCredentialRig();

let count = 0;
/** A daemon whose token is in a file, and the file. */
async function withToken(fields: Readonly<Record<string, unknown>>) {
  const { bao, directory, daemon } = rig();
  count += 1;
  const token = await bao.createToken(fields);
  const file = directory.write(`token-${count}`, `${token}\n`);
  const warden = await daemon({ method: 'token', token_env: 'NOT_SET', token_file: file });
  return { file, token, warden };
}

async function logsIn(warden: Warden): Promise<void> {
  const result = await rig().login(warden);
  expect(result, result.stderr).toMatchObject({ code: 0 });
}

/** Logs in without success, and returns why. */
async function refusal(warden: Warden) {
  expect(await rig().login(warden)).toMatchObject({ code: 255 });
  const [newest] = await fetchRefusals([warden.controlSocket], undefined);
  return newest;
}

/** How many requests a token has left, or its seconds: `auth/token/lookup`. */
async function lookup(token: string): Promise<unknown> {
  const answer = await rig().bao.api('POST', 'auth/token/lookup', { token });
  return answer.json;
}

test('a renewable one and a periodic one are renewed and outlive themselves; a batch one ends, and the line says what to do', async () => {
  const renewable = await withToken({ ttl: '10s' });
  const periodic = await withToken({ period: '10s', ttl: undefined });
  const atItsEnd = await withToken({ ttl: '10s', explicit_max_ttl: '12s' });
  const batch = await withToken({ type: 'batch', ttl: '10s', renewable: false });
  await Promise.all([renewable, periodic, batch].map(({ warden }) => logsIn(warden)));
  const gone = (token: string) => async () =>
    (await rig().bao.api('POST', 'auth/token/lookup', { token })).status;
  await expect.poll(gone(batch.token), { timeout: 20_000 }).toBe(403);
  await expect.poll(gone(atItsEnd.token), { timeout: 20_000 }).toBe(403);
  await Promise.all([renewable, periodic].map(({ warden }) => logsIn(warden)));
  expect(await refusal(batch.warden)).toMatchObject({
    code: 'no_token',
    message: `OpenBao does not know the token any more: it has expired, was revoked or is used up (file ${batch.file})`,
    hint: 'log in again: bao login',
  });
  // It was said before.
  for (const { warden } of [batch, atItsEnd]) expect(warden.log()).toContain("can't be renewed");
  // No reload, no restart: the user ran `bao login` again.
  writeFileSync(batch.file, await rig().bao.createToken());
  await logsIn(batch.warden);
  for (const { token, warden } of [renewable, periodic, batch, atItsEnd])
    expect(findSecrets(warden, [token])).toEqual([]);
}, 120_000);

test('a new one in the file is used although the old one would still do', async () => {
  const { file, token, warden } = await withToken({});
  await logsIn(warden);
  const next = await rig().bao.createToken({ num_uses: 5 });
  writeFileSync(file, next);
  await logsIn(warden);
  // One use for the signature, one to look at itself, and this one.
  await expect.poll(() => lookup(next)).toMatchObject({ data: { num_uses: 3 } });
  expect(findSecrets(warden, [token, next])).toEqual([]);
});

test('one for a few uses serves them', async () => {
  const { warden } = await withToken({ num_uses: 3 });
  await logsIn(warden);
  await logsIn(warden);
  expect(await refusal(warden)).toMatchObject({ code: 'no_token' });
});

test('a policy that lacks the path is told from a token that has ended', async () => {
  const { token, warden } = await withToken({ policies: ['default'] });
  expect(await refusal(warden)).toMatchObject({
    code: 'bao_denied',
    message: expect.stringContaining("the token's capabilities there are deny"),
    hint: 'have a policy of its token grant it: path "ssh/sign/warden-jit" { capabilities = ["update"] }',
  });
  const blind = await withToken({ policies: ['no-such-policy'], no_default_policy: true });
  expect(await refusal(blind.warden)).toMatchObject({
    code: 'bao_denied',
    hint: expect.stringContaining('path "ssh/sign/warden-jit"'),
  });
  expect(findSecrets(warden, [token])).toEqual([]);
});

test('the token helper of the command line is asked, once', async () => {
  const { bao, directory, daemon } = rig();
  const token = await bao.createToken();
  const program = directory.write(
    'helper',
    `#!/bin/sh\necho asked >> ${directory.join('asked')}\necho ${token}\n`,
    0o700,
  );
  const home = directory.join('home');
  directory.write('bao-config', `# token_helper = "/nowhere"\ntoken_helper = "${program}"\n`);
  const warden = await daemon(
    { method: 'token', token_env: 'NOT_SET' },
    { env: { HOME: home, BAO_CONFIG_PATH: directory.join('bao-config') } },
  );
  await logsIn(warden);
  await logsIn(warden);
  const { openbao } = await fetchStatus([warden.controlSocket]);
  expect(openbao).toMatchObject({ credential: `token helper ${program}`, identity: 'token-warden-test' });
  expect(readFileSync(directory.join('asked'), 'utf8')).toBe('asked\n');
  expect(findSecrets(warden, [token])).toEqual([]);
});
