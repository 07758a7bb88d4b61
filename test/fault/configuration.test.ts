/** An unusable configuration, or a machine without what minting needs: the daemon that people run is a pure relay, says so, and the keys behind it work. */
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { fetchStatus } from '../../src/control/client.ts';
import { start } from '../support/process.ts';
import { listIdentities } from '../support/ssh-agent.ts';
import { sshdMissing } from '../support/sshd.ts';
import { LAUNCHER } from '../support/warden.ts';
import { startFar } from './fault-rig.ts';

const missing = sshdMissing();
beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

describe('warden agent', () => {
  test.each([
    ['malformed YAML', 'actor: [', 0o600, 'warden.yaml'],
    ['an unknown key', 'openbao: { adress: "https://bao.example.com" }\n', 0o600, 'adress'],
    ['a file that others may write', 'actor: adm-x\n', 0o666, 'chmod'],
  ])('with %s', async (_name, text, mode, words) => {
    const far = await startFar([]);
    const config = far.directory.write('warden.yaml', text);
    chmodSync(config, mode);
    mkdirSync(far.directory.join('run'), { mode: 0o700 });
    const socket = far.directory.socket('run/warden/agent.sock');
    const agent = start(LAUNCHER, ['agent'], {
      env: {
        HOME: far.directory.path,
        WARDEN_CONFIG: config,
        XDG_RUNTIME_DIR: far.directory.join('run'),
        SSH_AUTH_SOCK: far.upstream.socket,
      },
    });
    try {
      await agent.waitFor(/"msg":"ready"/);
      expect(agent.stderr()).toContain('a pure relay');
      const status = await fetchStatus([far.directory.join('run/warden/control.sock')]);
      expect(status.relay_only).toContain(words);
      expect(status).toMatchObject({ lanes: [], openbao: null, minted: 0 });
      expect(await listIdentities(socket)).toHaveLength(1);
      expect(await far.login(socket)).toBe('key');
    } finally {
      await agent.stop();
      await far.remove();
    }
  });
});

test('without the package koffi the daemon knows no peer: it mints nothing, says so, and relays', async () => {
  const far = await startFar([]);
  const { directory } = far;
  cpSync('dist', directory.join('dist'), { recursive: true });
  mkdirSync(directory.join('run'), { mode: 0o700 });
  const config = directory.write('warden.yaml', 'agent: { direct_peers: any }\n');
  const [socket, control] = [directory.socket('run/agent.sock'), directory.join('run/control.sock')];
  const flags = ['--config', config, '--socket', socket, '--upstream', far.upstream.socket];
  const agent = start(process.execPath, [directory.join('dist/agent.mjs'), ...flags], {
    env: { HOME: directory.path },
  });
  try {
    await agent.waitFor(/"msg":"ready"/);
    const { relay_only, warnings } = await fetchStatus([control]);
    expect(relay_only).toContain('koffi');
    expect(warnings).toContain('not hardened: the package koffi is missing');
    expect(await listIdentities(socket)).toHaveLength(1);
    expect(await far.login(socket)).toBe('key');
  } finally {
    await agent.stop();
    await far.remove();
  }
});
