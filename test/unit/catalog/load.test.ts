import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { INVENTORY, type Workspace, workspace } from '../config/workspace.ts';

const FINGERPRINT = 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU';

/** One active entry from line `line` on: `ssh:` is line + 4, its first key line + 5. */
function entry(
  id: string,
  ssh: string,
  head = 'status: active\n    warden_executes: true\n    title: t',
): string {
  const block = ssh
    .trimEnd()
    .split('\n')
    .map((line) => `      ${line}`)
    .join('\n');
  return `  - id: ${id}\n    ${head}\n    ssh:\n${block}\n`;
}

function ready(): Workspace {
  const home = workspace();
  home.inventory(INVENTORY);
  home.warden('actor: adm-example\nopenbao: { role_map: { adm: adm-role } }\n');
  return home;
}

const GOOD = 'hosts: [a]\nlogins: [ops]\n';

describe('lanes', () => {
  it('fills in the defaults', () => {
    const home = ready();
    home.lanes(`entries:\n${entry('one', GOOD)}`);
    expect(home.load().lanes).toEqual([
      {
        id: 'one',
        title: 't',
        source: `${home.home}/.config/warden/catalog/lanes.yaml:2`,
        hosts: [{ kind: 'exact', text: 'a', host: 'a', port: undefined }],
        hostKeys: [],
        hostCa: [],
        actor: home.load().actors.get('adm-example'),
        logins: ['ops'],
        principals: ['adm-full', 'adm-read'],
        ttlSeconds: 120,
        role: 'adm-role',
        extensions: undefined,
        criticalOptions: {},
        upstream: 'hide',
        forwarded: [],
        unbound: false,
        reuseMs: 0,
        gateAt: 'list',
        deadlineMs: 3000,
        waitForLoginMs: 0,
      },
    ]);
  });

  it('takes a literal actor, its bounds, and critical options', () => {
    const home = ready();
    home.lanes(
      `entries:\n${entry('one', `${GOOD}actor: agt-example\nactors: [agt]\nttl: 2h\nrole: r\ndeadline: 500ms\nwait_for_login: 60s\ncritical_options: { source-address: "10.0.0.0/8,192.0.2.1", force-command: uptime, verify-required: "" }\n`)}`,
    );
    expect(home.load().lanes[0]).toMatchObject({
      actor: { name: 'agt-example' },
      principals: ['agt-task'],
      ttlSeconds: 7200,
      deadlineMs: 500,
      waitForLoginMs: 0,
      criticalOptions: {
        'source-address': '10.0.0.0/8,192.0.2.1',
        'force-command': 'uptime',
        'verify-required': '',
      },
    });
  });

  it.each([
    ['no logins', 'hosts: [a]', 6, 'ssh.logins: is missing'],
    ['empty logins', 'hosts: [a]\nlogins: []', 8, 'ssh.logins: must not be empty'],
    ['* beside a login', 'hosts: [a]\nlogins: [ops, "*"]', 8, 'ssh.logins: "*" stands beside names'],
    ['a login with a wildcard', 'hosts: [a]\nlogins: ["o*"]', 8, 'ssh.logins[0]: must be a login name'],
    ['no hosts', 'logins: [ops]', 6, 'ssh.hosts: is missing: the lane covers nothing'],
    ['host_ca alone', `logins: [ops]\nhost_ca: ["${FINGERPRINT}"]`, 8, 'ssh.host_ca: needs hosts'],
    [
      'a ttl above the cap',
      `${GOOD}role: r\nactor: agt-example\nttl: 3h`,
      11,
      'ssh.ttl: is above the cap of agt-example, 2h',
    ],
    ['a ttl without a unit', `${GOOD}ttl: 120`, 9, 'ssh.ttl: must be a duration with a unit'],
    ['a ttl with a wrong unit', `${GOOD}ttl: 2d`, 9, 'ssh.ttl: must be a duration with a unit'],
    ['a ttl of nothing', `${GOOD}ttl: 0s`, 9, 'ssh.ttl: must be whole seconds'],
    ['half a second', `${GOOD}ttl: 1500ms`, 9, 'ssh.ttl: must be whole seconds'],
    [
      'a deadline of a minute and a bit',
      `${GOOD}deadline: 61s`,
      9,
      'ssh.deadline: must be above 0 and at most 60s',
    ],
    ['a wait of more than a minute', `${GOOD}wait_for_login: 2m`, 9, 'ssh.wait_for_login: is above 60s'],
    [
      'a principal that is not the actor’s',
      `${GOOD}principals:\n  - adm-full\n  - root`,
      11,
      'ssh.principals[1]: is not a principal of adm-example',
    ],
    ['no principals', `${GOOD}principals: []`, 9, 'ssh.principals: must not be empty'],
    ['an unknown actor', `${GOOD}actor: agt-nobody`, 9, 'ssh.actor: is not in the inventory'],
    [
      'a type that is left out',
      `${GOOD}actors: [agt, atm]`,
      9,
      'ssh.actors: leaves out adm, and the lane’s actor is adm-example',
    ],
    ['no role', `${GOOD}actor: agt-example`, 6, 'ssh.role: is missing, and role_map has none for agt'],
    ['an unknown key', `${GOOD}login: x`, 9, 'ssh.login: unknown key'],
    [
      'an unknown critical option',
      `${GOOD}critical_options: { forcecommand: x }`,
      9,
      'ssh.critical_options.forcecommand: unknown key',
    ],
    [
      'a bad source address',
      `${GOOD}critical_options: { source-address: "10.0.0.0/8, host" }`,
      9,
      'ssh.critical_options.source-address: is not a list',
    ],
    [
      'an unknown extension',
      `${GOOD}extensions: [permit_pty]`,
      9,
      'ssh.extensions[0]: must be one of: permit-X11-forwarding',
    ],
    [
      'no extensions',
      `${GOOD}extensions: []`,
      9,
      'ssh.extensions: is empty, which OpenBao takes for the role’s defaults',
    ],
    ['a short fingerprint', `${GOOD}host_keys: [SHA256:abc]`, 9, 'ssh.host_keys[0]: must be a fingerprint'],
    ['a bad CIDR', 'logins: [ops]\nhosts:\n  - 10.0.0.0/33', 9, 'ssh.hosts[0]: is not a network'],
    ['a CIDR with host bits', 'logins: [ops]\nhosts: [10.0.0.1/8]', 8, 'ssh.hosts[0]: has bits set past /8'],
    ['a negation', 'logins: [ops]\nhosts: ["*", "!a"]', 8, 'ssh.hosts[1]: negation is not for lanes'],
    ['several patterns in one', 'logins: [ops]\nhosts: ["a,b"]', 8, 'ssh.hosts[0]: is several patterns'],
    ['a user', 'logins: [ops]\nhosts: ["ops@a"]', 8, 'ssh.hosts[0]: is not a host name, address or glob'],
    [
      'a port without brackets',
      'logins: [ops]\nhosts: ["a:2222"]',
      8,
      'ssh.hosts[0]: has a port without brackets',
    ],
    [
      'a port too high',
      'logins: [ops]\nhosts: ["[a]:65536"]',
      8,
      'ssh.hosts[0]: the port must be 1 to 65535',
    ],
    ['a pattern twice', 'logins: [ops]\nhosts:\n  - A\n  - "[a]:22"', 10, 'ssh.hosts[1]: is twice'],
    [
      'unbound without principals of its own',
      `${GOOD}unbound: allow`,
      6,
      'ssh.principals: is missing, and unbound: allow needs principals of its own',
    ],
    [
      'a hop that is a pattern',
      `${GOOD}forwarded: [jump, "*.example.com"]`,
      9,
      'ssh.forwarded[1]: is not the name of one host',
    ],
    ['a reuse as long as the ttl', `${GOOD}reuse: 2m`, 9, 'ssh.reuse: leaves the last login less than 30 s'],
  ])('refuses: %s', (_name, ssh, line, message) => {
    const home = ready();
    home.lanes(`entries:\n${entry('one', ssh)}`);
    expect(home.lines()).toHaveLength(1);
    expect(home.lines()[0]).toContain(`catalog/lanes.yaml:${line}: entries[0].${message}`);
    expect(home.problems()[0]?.hint).not.toBe('');
    expect(home.error().exit).toBe(78);
  });

  it('takes hops by name, a reuse and an unbound lane', () => {
    const home = ready();
    const more =
      'forwarded: [Jump, "[b]:2222", "[c]:22"]\nreuse: 90s\nunbound: allow\nprincipals: [adm-read]';
    home.lanes(`entries:\n${entry('one', `${GOOD}${more}`)}`);
    expect(home.load().lanes).toMatchObject([
      { forwarded: ['jump', '[b]:2222', 'c'], reuseMs: 90_000, unbound: true, principals: ['adm-read'] },
    ]);
  });

  it('refuses unbound lanes whose principals open hosts of bound ones', () => {
    const home = ready();
    const unbound = entry('two', 'hosts: [b]\nlogins: [ops]\nunbound: allow\nprincipals: [adm-read]');
    home.lanes(`entries:\n${entry('one', GOOD)}${unbound}`);
    expect(home.lines()).toEqual([
      expect.stringContaining('entries[1].ssh.principals[0]: is a principal of lane one too'),
    ]);
    home.lanes(`entries:\n${entry('one', `${GOOD}principals: [adm-full]`)}${unbound}`);
    expect(home.load().lanes).toHaveLength(2);
  });

  it('refuses self when nobody is', () => {
    const home = ready();
    home.warden('openbao: { role_map: { adm: adm-role } }\n');
    home.lanes(`entries:\n${entry('one', GOOD)}`);
    expect(home.lines()).toEqual(['catalog/lanes.yaml:6: entries[0].ssh.actor: is self, and nobody is']);
  });

  it.each([
    ['names', '[b, A]', '[a]'],
    ['networks', '["2001:db8::/32"]', '["2001:DB8:0:0::/32"]'],
    ['globs', '["*.x"]', '["*.X"]'],
    ['ports', '["[a]:22"]', '[a]'],
  ])('refuses two lanes with equal %s', (_name, one, two) => {
    const home = ready();
    home.lanes(
      `entries:\n${entry('one', `logins: [ops]\nhosts: ${one}`)}${entry('two', `logins: [ops]\nhosts: ${two}`)}`,
    );
    expect(home.lines()).toEqual([
      'catalog/lanes.yaml:15: entries[1].ssh.hosts[0]: is already in lane one (catalog/lanes.yaml:2)',
    ]);
  });
});

describe('entries', () => {
  it('serves only what is active, warden’s and has ssh; keeps the rest', () => {
    const home = ready();
    home.lanes(`entries:
  - id: npm-publish
    title: npm token
    need_keywords: [npm]
    owner_repo: railiance-platform
    subsystem: openbao
    warden_executes: false
    status: active
    reviewed: 2026-07-02
    wiki_ref: wiki/Npm.md#publish
    exec_capable: true
    fetch_command: bao kv get -field=<field> <path>
    exec_owner: secrets-engine
${entry('draft', 'whatever: 1', 'status: draft\n    warden_executes: true')}${entry('good', GOOD)}`);
    expect(home.load().lanes.map(({ id }) => id)).toEqual(['good']);
  });

  it.each([
    ['without id', '  - status: active\n', 'catalog/lanes.yaml:2: entries[0].id: is missing'],
    [
      'ssh without status',
      entry('a', GOOD, 'warden_executes: true'),
      'catalog/lanes.yaml:2: entries[0].status: is missing',
    ],
    [
      'misspelt status',
      '  - id: a\n    status: activ\n',
      'catalog/lanes.yaml:3: entries[0].status: must be one of: active, draft, ready, retired',
    ],
    [
      'a bad id',
      '  - id: "a:1"\n    status: draft\n',
      'catalog/lanes.yaml:2: entries[0].id: must be letters',
    ],
    [
      'the same id twice',
      '  - { id: a, status: draft }\n  - { id: a, status: draft }\n',
      'catalog/lanes.yaml:3: entries[1].id: a is taken by catalog/lanes.yaml:2',
    ],
    [
      'ssh that warden doesn’t execute',
      entry('a', GOOD, 'status: active'),
      'catalog/lanes.yaml:4: entries[0].ssh: needs warden_executes: true',
    ],
    [
      'a misspelt key beside ssh',
      entry('a', GOOD, 'status: active\n    warden_executes: true\n    titel: x'),
      'catalog/lanes.yaml:5: entries[0].titel: unknown key',
    ],
    ['no mapping', '  - a\n', 'catalog/lanes.yaml:2: entries[0]: must be a mapping'],
  ])('refuses: %s', (_name, text, line) => {
    const home = ready();
    home.lanes(`entries:\n${text}`);
    expect(home.lines()[0]).toContain(line);
  });

  it('finds the mistakes of all files', () => {
    const home = ready();
    home.lanes('entry: []\n', 'b.yaml');
    home.lanes(`entries:\n${entry('one', 'hosts: [a]')}`, 'a.yaml');
    home.lanes('not read', 'c.yml');
    expect(home.lines()).toEqual([
      'catalog/b.yaml:1: entry: unknown key',
      'catalog/a.yaml:6: entries[0].ssh.logins: is missing',
    ]);
  });

  it('lays later layers over earlier ones, and all over the shipped catalog', () => {
    const home = ready();
    home.warden('actor: adm-example\nopenbao: { role_map: { adm: r } }\ncatalog_path: [team, ~/mine.yaml]\n');
    home.write('package/one.yaml', `entries:\n${entry('a', GOOD)}${entry('b', 'hosts: [b]\nlogins: [x]')}`);
    home.write('.config/warden/team/one.yaml', `entries:\n${entry('a', 'hosts: [a]\nlogins: [team]')}`);
    home.write('mine.yaml', 'entries:\n  - { id: b, status: retired }\n');
    const config = home.load({ shippedCatalog: join(home.home, 'package') });
    expect(config.lanes.map(({ id, logins }) => [id, logins])).toEqual([['a', ['team']]]);
  });
});
