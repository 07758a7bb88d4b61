/** An unusable configuration: the daemon that people run is a pure relay, says so, and the keys behind it work. */
import { chmodSync, mkdirSync } from 'node:fs';
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
