/** What a running agent answers needs nothing but the small bundle: it is put alone beside the launcher here. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { makeKey } from '../support/keys.ts';
import { run } from '../support/process.ts';
import { useRig } from '../support/rig.ts';

const rig = useRig({
  warden: ({ bao, sshd }) => ({
    openbao: { addr: bao.addr, token: bao.token, settings: { role_map: { agt: bao.role } } },
    actors: { 'agt-tool': { type: 'agt', principals: [sshd.user], ttl_hours: 1 } },
  }),
});

let key: string;
beforeAll(async () => {
  const { bao, directory } = rig();
  await bao.writeRole(bao.role, { max_ttl: '1h' });
  key = (await makeKey(directory.path, 'tool')).path;
  for (const each of ['dist', 'scripts']) mkdirSync(directory.join(each));
  copyFileSync('dist/warden.cjs', directory.join('dist/warden.cjs'));
  copyFileSync('scripts/warden', directory.join('scripts/warden'));
});

const alone = (...words: readonly string[]) =>
  run(rig().directory.join('scripts/warden'), words, { env: rig().warden.env });

test.each([
  [['status'], 0, /^agent +warden/],
  [['status', '--json'], 0, /^\{\n/],
  [['login'], 0, /^logged in: token-warden-test \(environment WARDEN_TEST_TOKEN\)\n$/],
  [['login', '--json', '--no-browser'], 0, /^\{\n/],
  [['why'], 1, /^nothing was refused/],
  [['why', 'web1', '--json'], 1, /^\[\]\n$/],
  [
    ['sign', 'agt-tool', '--pubkey', 'KEY.pub', '--ttl', '5m'],
    0,
    /^ssh-ed25519-cert-v01@openssh\.com \S+\n$/,
  ],
  [['sign', 'agt-nobody', '--pubkey', 'KEY.pub'], 77, /^$/],
  [['sign', 'agt-tool', '--pubkey', 'KEY.pub', '--ttl', 'soon'], 64, /^$/],
])('%j', async (words, code, stdout) => {
  const result = await alone(...words.map((word) => word.replace('KEY', key)));
  expect(result).toMatchObject({ code, stdout: expect.stringMatching(stdout) });
  expect(result.stderr).toMatch(
    code === 0 || code === 1 ? /^(warden: agt-tool as .*\n)?$/ : /^warden: .*\n$/,
  );
});

test.each([
  ['a private key', ['sign', 'agt-tool', '--pubkey', 'KEY']],
  ['a key on standard input', ['sign', 'agt-tool', '--pubkey', '-']],
  ['help', ['status', '--help']],
  ['a mistake', ['why', '--jsn']],
  ['another command', ['env', '--json']],
])('%s is for the whole command line', async (_what, words) => {
  const result = await alone(...words.map((word) => word.replace('KEY', key)));
  expect(result.stderr).toContain('program.cjs');
});
