/** Changes of inventory.yaml: what is not changed stays, byte for byte; one writer at a time; never a bad inventory. */
import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { editInventory } from '../../../src/inventory/edit.ts';
import type { ActorYaml } from '../../../src/inventory/load.ts';
import { run } from '../../support/process.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp.ts';
import { LAUNCHER } from '../../support/warden.ts';

const TEXT = `# Who may have what. Ask Bernd before you change it.

actors:
  # people
  adm-bernd: { type: adm, principals: [adm-full], ttl_hours: 48, description: "on call: always" }

  agt-state-hub-bridge: # the tunnel
    type: agt
    principals:
      - agt-task-bridge   # see auth_principals
    ttl_hours: 24
  atm-nightly-backup: {type: atm, principals: [backup]}
`;
const UID = process.getuid?.() ?? 0;

let directory: TempDirectory;
let file: string;
beforeEach(() => {
  directory = tempDirectory();
  file = directory.write('inventory.yaml', TEXT);
});
afterEach(() => directory.remove());

const agt: ActorYaml = { type: 'agt', principals: ['p'], ttl_hours: 2 };
const text = () => readFileSync(file, 'utf8');

describe('a change', () => {
  test('adds at the end, and every line that was there stays as it is', async () => {
    await editInventory(file, UID, (edit) => edit.add('agt-new', agt));
    expect(text().startsWith(TEXT.trimEnd())).toBe(true);
    expect(text().slice(TEXT.length)).toBe(
      '  agt-new:\n    type: agt\n    principals:\n      - p\n    ttl_hours: 2\n',
    );
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('removes an actor with its own comments and no other line', async () => {
    await editInventory(file, UID, (edit) => edit.remove('agt-state-hub-bridge'));
    const [start = '', rest = ''] = TEXT.split(/ {2}agt-state-hub-bridge:[\s\S]*?ttl_hours: 24\n/);
    expect(text()).toBe(start + rest);
    await editInventory(file, UID, (edit) => edit.remove('atm-nightly-backup'));
    await editInventory(file, UID, (edit) => edit.remove('adm-bernd'));
    await editInventory(file, UID, (edit) => edit.add('agt-new', agt));
    expect(text()).toContain('# Who may have what');
    expect(text()).toContain('  agt-new:\n    type: agt\n');
  });

  test('that changes nothing leaves the file alone, whatever its spacing', async () => {
    const before = statSync(file, { bigint: true });
    await editInventory(file, UID, () => undefined);
    expect(text()).toBe(TEXT);
    expect(statSync(file, { bigint: true }).ino).toBe(before.ino);
  });

  test.each(['', 'actors: {}\n', '# nothing yet\n'])('begins an inventory of %j', async (start) => {
    file = directory.write('other.yaml', start);
    const actors = await editInventory(file, UID, (edit) => edit.add('agt-new', agt));
    expect([...actors.keys()]).toEqual(['agt-new']);
    expect(text()).toContain('actors:\n  agt-new:\n    type: agt\n');
  });

  test('of a link changes what it leads to', async () => {
    symlinkSync('inventory.yaml', directory.join('link.yaml'));
    await editInventory(directory.join('link.yaml'), UID, (edit) => edit.add('agt-new', agt));
    expect(lstatSync(directory.join('link.yaml')).isSymbolicLink()).toBe(true);
    expect(text()).toContain('agt-new');
  });

  test.each([
    ['a wrong prefix', 'atm-new', agt, /must start with its type/],
    ['a TTL above the cap', 'agt-new', { ...agt, ttl_hours: 25 }, /25 h is above the cap of 24 h/],
    ['no principals', 'agt-new', { ...agt, principals: [] }, /must not be empty/],
    ['a principal that OpenBao would split', 'agt-new', { ...agt, principals: ['a,b'] }, /letters/],
  ])('that brings %s is refused, and nothing has changed', async (_what, name, entry, message) => {
    const wrong = editInventory(file, UID, (edit) => edit.add(name, entry));
    await expect(wrong).rejects.toMatchObject({
      code: 'not_granted',
      message: expect.stringMatching(message),
    });
    expect(text()).toBe(TEXT);
    expect(readdirSync(directory.path)).toEqual(['inventory.yaml']);
  });

  test('of a bad inventory is refused with what is wrong with it', async () => {
    file = directory.write('bad.yaml', 'actors:\n  adm-x: { type: agt, principals: [a] }\n');
    const wrong = editInventory(file, UID, (edit) => edit.add('agt-new', agt));
    await expect(wrong).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

test('ten processes that add at once have all added', { timeout: 60_000 }, async () => {
  const config = directory.write(
    'warden.yaml',
    `inventory_path: ${file}\nstate_dir: ${directory.join('state')}\n`,
  );
  const env = { HOME: directory.path, WARDEN_CONFIG: config };
  const names = Array.from({ length: 10 }, (_, i) => `agt-new-${i}`);
  const results = await Promise.all(
    names.map((name) => run(LAUNCHER, ['inventory', 'add', name, '--principal', 'p'], { env })),
  );
  expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(
    names.map((name) => [0, `added ${name}\n`]),
  );
  for (const name of names) expect(text()).toContain(`  ${name}:\n`);
  expect(text().startsWith(TEXT.trimEnd())).toBe(true);
});
