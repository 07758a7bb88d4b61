/** The trail's signature, by hand as an auditor would: the key noted, a copy of each checkpoint elsewhere, and what shows without and with it. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { useRig } from '../support/rig.ts';
import type { Warden } from '../support/warden.ts';

/** Where the copies go; each rig has its own. */
const copies = (directory: { join(name: string): string }) => directory.join('copies');

describe('checkpoints', () => {
  const rig = useRig({
    warden: ({ directory }) => ({
      audit: {
        anchor_command: ['/bin/sh', '-c', `cat >> '${copies(directory)}'; env >> '${directory.join('env')}'`],
      },
    }),
  });
  const trailOf = ({ stateDir }: Warden) => join(stateDir, 'audit', 'trail.jsonl');

  test('at the stop the last one is in the trail and elsewhere; verify takes it, and finds a tail that is cut', async () => {
    const { warden, directory, login } = rig();
    expect(await login()).toMatchObject({ code: 0 });
    await warden.stop();
    const key = (await warden.cli(['audit', 'key'])).stdout.trim();
    expect(key).toMatch(/^warden-audit\/[0-9a-f]{16}\+[0-9a-f]{8}\+/);
    expect(warden.trail().at(-1)).toMatchObject({ event: 'trail.checkpoint', code: 'W9002I' });
    expect(readFileSync(copies(directory), 'utf8')).toBe(warden.trail().at(-1)?.checkpoint);

    const verify = ['audit', 'verify', '--anchor', copies(directory), '--key', key];
    expect(await warden.cli(verify)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('trail intact'),
    });
    const whole = readFileSync(trailOf(warden), 'utf8');
    writeFileSync(trailOf(warden), whole.split('\n').slice(0, 2).join('\n').concat('\n'));
    expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
    const cut = await warden.cli(verify);
    expect(cut).toMatchObject({ code: 1, stdout: expect.stringContaining('(tail_missing)') });
    writeFileSync(trailOf(warden), whole);
  });

  test('the command is given nothing that could be a credential', () => {
    const names = readFileSync(rig().directory.join('env'), 'utf8')
      .split('\n')
      .map((line) => line.split('=')[0] ?? '');
    expect(names).toContain('PATH');
    expect(names.filter((name) => /TOKEN|BAO|VAULT|WARDEN|NODE/.test(name))).toEqual([]);
  });

  test('a new daemon goes on under the same key', async () => {
    const { warden, directory, login } = rig();
    await warden.start();
    expect(await login()).toMatchObject({ code: 0 });
    await warden.stop();
    expect(readFileSync(copies(directory), 'utf8').match(/^warden-audit/gm)).toHaveLength(2);
    const verify = await warden.cli(['audit', 'verify', '--anchor', copies(directory), '--json']);
    expect(JSON.parse(verify.stdout)).toMatchObject({ intact: true, checkpoints: 2, problems: [] });
    expect(existsSync(join(warden.stateDir, 'audit.key'))).toBe(true);
  });

  test('a key that others may read signs nothing, and keeps no login from its certificate', async () => {
    const { warden, login } = rig();
    chmodSync(join(warden.stateDir, 'audit.key'), 0o644);
    await warden.start();
    expect(await login()).toMatchObject({ code: 0 });
    const before = warden.trail().filter(({ event }) => event === 'trail.checkpoint').length;
    await warden.stop();
    expect(warden.log()).toContain('no checkpoint');
    expect(warden.trail().filter(({ event }) => event === 'trail.checkpoint')).toHaveLength(before);
    chmodSync(join(warden.stateDir, 'audit.key'), 0o600);
  });

  test.each<[args: string[], code: number, says: string]>([
    [['--anchor', '/nonexistent'], 64, "can't be read"],
    [['--anchor', '/etc/passwd'], 65, 'is not signed by'],
    [['--key', 'nonsense'], 65, 'is no key of a trail'],
  ])('warden audit verify %j: %i, %s', async (args, code, says) => {
    const result = await rig().warden.cli(['audit', 'verify', ...args]);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(says);
  });
});
