/** OpenBao's side where a real one would have to be set up at length: caps of shared roles, the key id, the way to the server. */
import { expect, test } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import type { RoleFields } from '../../../src/openbao/survey.ts';
import { caPosture, usedRoles } from '../../../src/posture/ca-rules.ts';
import { INVENTORY, workspace } from '../config/workspace.ts';

const GOOD: RoleFields = {
  userCertificates: true,
  allowedUsers: ['ops'],
  usersTemplate: false,
  defaultExtensions: ['permit-pty'],
  allowedExtensions: ['permit-pty'],
  maxTtlSeconds: 300,
  userKeyIds: false,
  keyIdFormat: '',
  hostCertificates: false,
  emptyPrincipals: false,
  looseTemplates: false,
  defaultCriticalOptions: [],
  allowedCriticalOptions: [],
  keyTypes: ['ed25519'],
  algorithm: 'default',
  backdateSeconds: 30,
};

function configWith(openbao: string, lanes = ''): Config {
  const home = workspace();
  home.inventory(INVENTORY);
  home.warden(`actor: adm-example\nopenbao: ${openbao}\n`);
  if (lanes !== '') home.lanes(lanes);
  return home.load();
}

/** Ids of what is wrong. */
function wrong(config: Config, fields: Partial<RoleFields> = {}): readonly string[] {
  const roles = usedRoles(config);
  const token = {
    accessor: '',
    displayName: '',
    entityId: '',
    ttlSeconds: 60,
    fullTtlSeconds: 60,
    renewable: true,
    uses: 0,
    maxTtlSeconds: 0,
    isBatch: false,
    policies: ['default'],
    namespace: '',
  };
  const seen = new Map(roles.map(({ name }) => [name, { ...GOOD, ...fields }]));
  return caPosture(config.openbao, roles, { roles: seen, token, audit: ['file/'] }).flatMap((each) =>
    each.status === 'pass' ? [] : [each.check_id],
  );
}

test('a role that several types use may sign for the longest of their caps', () => {
  const shared = configWith('{ role_map: { adm: one, atm: one, agt: two } }');
  expect(usedRoles(shared)).toEqual([
    { name: 'one', capSeconds: 48 * 3600 },
    { name: 'two', capSeconds: 24 * 3600 },
  ]);
  expect(wrong(shared)).toEqual([]);
  expect(wrong(shared, { maxTtlSeconds: 24 * 3600 })).toEqual([]);
  expect(wrong(shared, { maxTtlSeconds: 24 * 3600 + 1 })).toEqual(['ca.ttl']);
});

test('a key id by the request is wrong unless openbao.key_id asks for it', () => {
  expect(wrong(configWith('{ role_map: { adm: one } }'), { userKeyIds: true })).toEqual(['ca.key_id_choice']);
  expect(wrong(configWith('{ role_map: { adm: one }, key_id: actor }'), { userKeyIds: true })).toEqual([]);
});

test.each([
  ['', true],
  ['warden-{{token_display_name}}', true],
  ['{{ identity.entity.name }}', true],
  ['{{public_key_hash}}', false],
])('key_id_format %j', (keyIdFormat, good) => {
  expect(wrong(configWith('{ role_map: { adm: one } }'), { keyIdFormat })).toEqual(
    good ? [] : ['ca.key_id_format'],
  );
});

test.each([
  [[], false],
  [['*'], false],
  [['source-address'], false],
  [['none'], true],
])('a default force-command where a request may ask for %j', (allowedCriticalOptions, good) => {
  const fields = { defaultCriticalOptions: ['force-command'], allowedCriticalOptions };
  const config = configWith('{ role_map: { adm: one } }');
  expect(wrong(config, fields)).toEqual(good ? [] : ['ca.critical_options']);
  expect(wrong(config, { ...fields, defaultCriticalOptions: [] })).toEqual([]);
});

test.each([
  ['http://127.0.0.1:8200', '', true],
  ['unix:///run/bao.sock', '', true],
  ['https://bao.example.com', '', true],
  ['https://bao.example.com', ', skip_verify: true', false],
  ['http://bao.example.com', ', insecure_http: [bao.example.com]', false],
])('the way to %s%s', (addr, more, good) => {
  const config = configWith(`{ addr: "${addr}", role_map: { adm: one }${more} }`);
  expect(wrong(config)).toEqual(good ? [] : ['ca.transport']);
});
