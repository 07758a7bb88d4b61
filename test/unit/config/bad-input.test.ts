import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { INVENTORY, workspace } from './workspace.ts';

describe('warden.yaml: each mistake with file, line and key', () => {
  it.each([
    [
      'an unknown key',
      'openbao:\n  addres: https://x\n',
      'warden.yaml:2: openbao.addres: unknown key',
      'did you mean addr?',
    ],
    [
      'an unknown role',
      'openbao:\n  role_map:\n    agd: x\n',
      'warden.yaml:3: openbao.role_map.agd: unknown key',
      'agt',
    ],
    ['a far key', '\nzzzzzzzz: 1\n', 'warden.yaml:2: zzzzzzzz: unknown key', 'known here: backend, actor'],
    [
      'a number for a text',
      'openbao:\n  mount: 7\n',
      'warden.yaml:2: openbao.mount: must be a text, is a number',
      'put the value in quotes',
    ],
    [
      'an empty block',
      'actor: a\nopenbao:\n',
      'warden.yaml:2: openbao: must be a mapping (key: value), is empty',
      'remove the key',
    ],
    [
      'a text for a list',
      'agent:\n  known_hosts: ~/x\n',
      'warden.yaml:2: agent.known_hosts: must be a list, is a text',
      'write a list: [value]',
    ],
    ['a list for a mapping', '- a\n', 'warden.yaml:1: must be a mapping (key: value), is a list', ''],
    [
      'a wrong word',
      'agent:\n  tell: mail\n',
      'warden.yaml:2: agent.tell: must be one of: terminal, none',
      'terminal, none',
    ],
    [
      'a wrong entry',
      'openbao:\n  ssh_ca:\n    - SHA256:short\n',
      'warden.yaml:3: openbao.ssh_ca[0]: must be a fingerprint',
      '',
    ],
    [
      'a mount that climbs',
      'openbao:\n  mount: ssh/../sys\n',
      'warden.yaml:2: openbao.mount: must be letters',
      '',
    ],
    [
      'a token for its name',
      'openbao: { auth: { token_env: hvs.abc } }\n',
      'warden.yaml:1: openbao.auth.token_env: must be the NAME',
      '',
    ],
    [
      'the CA key file',
      'actor: a\nbackend: local\n',
      'warden.yaml:2: backend: local (a CA key in a file)',
      'warden lab',
    ],
    [
      'both names of the block',
      'openbao: {}\nvault: {}\n',
      'warden.yaml:2: vault: is another name for openbao',
      'keep one',
    ],
    [
      'plain http',
      'openbao:\n  addr: http://bao.example.com:8200\n',
      'warden.yaml:2: openbao.addr: plain http to bao.example.com',
      'insecure_http: [bao.example.com]',
    ],
    [
      'no address',
      'openbao:\n  addr: bao.example.com\n',
      'warden.yaml:2: openbao.addr: is not an address',
      'https://host:8200',
    ],
    [
      'a password',
      'openbao:\n  addr: https://u:hunter2@bao\n',
      'warden.yaml:2: openbao.addr: holds a user or password',
      '',
    ],
    [
      'a key of another way to log in',
      'openbao:\n  auth: { method: jwt, role: r, jwt_file: j, role_id: x }\n',
      'warden.yaml:2: openbao.auth.role_id: is not for method jwt',
      'correct the method',
    ],
    [
      'a way to log in without what it needs',
      'openbao:\n  auth: { method: approle }\n',
      'warden.yaml:2: openbao.auth.method: approle needs role_id beside it',
      'openbao.auth.role_id',
    ],
    [
      'a JWT from nowhere',
      'openbao:\n  auth: { method: jwt, role: r }\n',
      'warden.yaml:2: openbao.auth.method: jwt needs jwt_file or jwt_env',
      'where the JWT is',
    ],
    [
      'two places of a secret id',
      'openbao:\n  auth: { method: approle, role_id: r, secret_id_file: f, secret_id_env: E }\n',
      'warden.yaml:2: openbao.auth.secret_id_env: stands beside secret_id_file',
      'keep one',
    ],
    [
      'a login by certificate without one',
      'openbao:\n  auth: { method: cert }\n',
      'warden.yaml:2: openbao.auth.method: cert needs a client certificate',
      'client_key',
    ],
    [
      'a Unix socket with a host',
      'openbao:\n  addr: unix://run/bao\n',
      'warden.yaml:2: openbao.addr: is no path of a Unix socket',
      'unix:///run/bao.sock',
    ],
    [
      'a CA file that is missing',
      'openbao:\n  ca_cert: /nowhere.pem\n',
      "warden.yaml:2: openbao.ca_cert: /nowhere.pem can't be read",
      '',
    ],
    [
      'half a client certificate',
      'openbao:\n  client_key: warden.yaml\n',
      'warden.yaml:2: openbao.client_key:',
      '',
    ],
    [
      'an unknown actor',
      'actor: adm-nobody\n',
      'warden.yaml:1: actor: is not in the inventory',
      'adm-example',
    ],
    [
      'a missing inventory',
      'inventory_path: nowhere.yaml\n',
      'warden.yaml:1: inventory_path: there is no',
      '',
    ],
    [
      'a missing catalog',
      'actor: adm-example\ncatalog_path: [catalog, nowhere]\n',
      'warden.yaml:2: catalog_path: there is no',
      '',
    ],
  ])('%s', (_name, text, line, hint) => {
    const home = workspace();
    home.inventory(INVENTORY);
    home.lanes('entries: []\n');
    home.warden(text);
    const [problem] = home.problems();
    expect(home.lines()[0]).toContain(line);
    expect(problem?.hint).toContain(hint);
    expect(home.error().exit).toBe(78);
    expect(JSON.stringify(home.problems())).not.toContain('hunter2');
  });

  it('says the first in one line, and has all as data, in the order of lines', () => {
    const home = workspace();
    home.warden('policy: { enabled: 1 }\nbackend: bao\nfoo: 1\nagent: { tell: 1 }\n');
    const error = home.error();
    expect(error.message).toBe(
      `${home.home}/.config/warden/warden.yaml:1: policy.enabled: must be true or false, is a number (and 3 more)`,
    );
    expect(home.problems().map(({ line, key }) => [line, key])).toEqual([
      [1, 'policy.enabled'],
      [2, 'backend'],
      [3, 'foo'],
      [4, 'agent.tell'],
    ]);
    expect(error.message).not.toContain('\n');
  });
});

describe('text that is no YAML', () => {
  it.each([
    ['an open list', 'actor: a\nagent: [1\nopenbao: {}\n', 'warden.yaml:3: is not YAML'],
    ['a tab', 'agent:\n\ttell: none\n', 'warden.yaml:2: is not YAML'],
    [
      'a key twice',
      'agent:\n  tell: none\n  tell: terminal\n',
      'warden.yaml:3: the key tell stands here a second time',
    ],
    ['a second document', 'actor: a\n---\nactor: b\n', 'warden.yaml:2: is not YAML'],
    ['a tag', 'actor: !env X\n', 'warden.yaml:1: Unresolved tag: !env'],
    ['an unknown alias', 'actor: *x\n', 'warden.yaml:1: is not usable YAML: Unresolved alias'],
    ['an alias in itself', 'agent: &a { known_hosts: [*a] }\n', 'warden.yaml:1: is not usable YAML'],
    [
      'ten thousand million words',
      `a: &a [x,x]\n${'bcdefghijk'.replace(/./g, (c) => `${c}: &${c} [${`*${String.fromCharCode(c.charCodeAt(0) - 1)},`.repeat(10)}]\n`)}`,
      'warden.yaml:1: is not usable YAML: Excessive alias count',
    ],
    ['deep lists', `a: 1\nb: ${'['.repeat(1_000_000)}`, 'warden.yaml:2: is nested too deeply'],
    ['deep items', `a: 1\n${'- '.repeat(500_000)}a`, 'warden.yaml:2: is nested too deeply'],
    ['deep keys', '? '.repeat(500_000), 'warden.yaml:1: is nested too deeply'],
    [
      'deep indentation',
      Array.from({ length: 1200 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
      'warden.yaml:202: is nested too deeply',
    ],
  ])('%s', (_name, text, line) => {
    const home = workspace();
    home.warden(text);
    expect(home.lines()[0]).toContain(line);
  });

  it('refuses a file past the limit, and one that is no text', () => {
    const home = workspace();
    home.warden(`#${' '.repeat(1024 * 1024)}`);
    expect(home.lines()).toEqual(['warden.yaml: is longer than 1048576 bytes']);
    const latin1 = home.write('latin1.yaml', '');
    writeFileSync(latin1, Buffer.from('actor: Jörg', 'latin1'));
    expect(home.lines({ flags: { config: latin1 } })).toEqual(['~/latin1.yaml: is not UTF-8 text']);
    expect(home.error({ flags: { config: '/dev/zero' } }).message).toBe('/dev/zero: is not a file');
  });
});

describe('who may write the configuration', () => {
  const good = 'actor: adm-example\n';

  it.each([
    [
      'a file that the group may write',
      (file: string) => chmodSync(file, 0o660),
      'warden.yaml: the file may be written by others (mode 0660)',
    ],
    [
      'a file that all may write',
      (file: string) => chmodSync(file, 0o602),
      'warden.yaml: the file may be written by others (mode 0602)',
    ],
    [
      'a directory that all may write',
      (file: string) => chmodSync(join(file, '..'), 0o1777),
      'warden.yaml: its directory may be written by others (mode 1777)',
    ],
  ])('%s', (_name, spoil, line) => {
    const home = workspace();
    home.inventory(INVENTORY);
    spoil(home.warden(good));
    expect(home.lines()).toEqual([line]);
    expect(home.error().code).toBe('config_permissions');
    expect(home.error().hint).toContain('chmod go-w');
  });

  it('refuses another user’s file', () => {
    const home = workspace();
    home.inventory(INVENTORY);
    const file = home.warden(good);
    // Root gives the file away; anybody else asks as if they were another user.
    const owner = home.uid === 0 ? 4321 : home.uid;
    if (home.uid === 0) {
      expect(home.load({ uid: 1234 }).actor?.name).toBe('adm-example');
      chownSync(file, owner, owner);
    }
    expect(home.load({ uid: owner }).actor?.name).toBe('adm-example');
    expect(home.lines({ uid: owner + 1 })).toEqual([
      `warden.yaml: the file belongs to uid ${owner}, who could change it`,
    ]);
  });

  it('looks behind a link: at the file, its directory, and the link’s', () => {
    const home = workspace();
    const real = home.write('dotfiles/warden.yaml', '');
    mkdirSync(join(home.home, 'etc'), { mode: 0o700 });
    const link = join(home.home, 'etc/warden.yaml');
    symlinkSync(real, link);
    expect(home.load({ flags: { config: link } }).file).toBe(link);
    chmodSync(join(home.home, 'dotfiles'), 0o777);
    expect(home.error({ flags: { config: link } }).code).toBe('config_permissions');
    chmodSync(join(home.home, 'dotfiles'), 0o700);
    chmodSync(join(home.home, 'etc'), 0o777);
    expect(home.error({ flags: { config: link } }).code).toBe('config_permissions');
  });

  it('holds for the inventory, the lanes and their directory too', () => {
    const home = workspace();
    home.warden(good);
    const inventory = home.inventory(INVENTORY);
    const lanes = home.lanes('entries: []\n');
    expect(home.load().lanes).toEqual([]);
    for (const path of [inventory, lanes, join(lanes, '..')]) {
      chmodSync(path, 0o777);
      expect(home.error()).toMatchObject({ code: 'config_permissions', exit: 78 });
      chmodSync(path, 0o700);
    }
  });

  it('trusts the catalog that ships with the program as much as the program', () => {
    const home = workspace();
    const shipped = home.write('package/catalog/lanes.yaml', 'entries: []\n', 0o664);
    chmodSync(shipped, 0o664);
    expect(home.load({ shippedCatalog: join(shipped, '..') }).lanes).toEqual([]);
  });

  it('refuses a named file that is missing', () => {
    const home = workspace();
    for (const input of [
      { flags: { config: '/nowhere.yaml' } },
      { env: { WARDEN_CONFIG: '/nowhere.yaml' } },
    ]) {
      expect(home.error(input)).toMatchObject({ code: 'config_missing', exit: 78 });
      expect(home.lines(input)).toEqual(['/nowhere.yaml: there is no such file']);
    }
  });
});
