/** Each check of the scorecard fails for what it is for, and for nothing else; e2e/reference.test.ts runs it on a real house. */
import { expect, test } from 'vitest';
import { type ScorecardInput, scorecard } from '../../../src/checks/scorecard.ts';
import type { Actor } from '../../../src/inventory/actor.ts';
import type { OnFile } from '../../../src/issuance/on-file.ts';
import type { RoleFields } from '../../../src/openbao/survey.ts';
import { parseCertificate } from '../../../src/ssh/certificate.ts';
import { build } from '../ssh/certificate-builder.ts';

const actor: Actor = {
  name: 'agt-a',
  type: 'agt',
  principals: ['a'],
  ttlSeconds: 3600,
  description: '',
  files: true,
};
const certificate = { ...parseCertificate(build({})), validAfter: 1000n, validBefore: 4600n };
const onFile: OnFile = { path: '/state/agt-a-cert.pub', actor: 'agt-a', certificate, state: 'valid' };
const role: RoleFields = {
  allowedUsers: ['a'],
  usersTemplate: false,
  maxTtlSeconds: 3600,
  userCertificates: true,
  hostCertificates: false,
  allowedExtensions: [],
  defaultExtensions: [],
  allowedCriticalOptions: [],
  defaultCriticalOptions: [],
  userKeyIds: false,
  keyIdFormat: '',
  emptyPrincipals: false,
  looseTemplates: false,
  keyTypes: [],
  algorithm: 'default',
  backdateSeconds: 30,
};
const good: ScorecardInput = {
  actors: [actor],
  onFile: [onFile],
  issuances: [],
  trailIsOld: false,
  roles: new Map(),
  tokenTtlSeconds: 60,
};

function failing(change: Partial<ScorecardInput>) {
  return scorecard({ ...good, ...change })
    .filter(({ status }) => status !== 'pass')
    .map(({ check_id, status }) => `${check_id} ${status}`);
}

test('eight checks, and a good house passes them', () => {
  expect(scorecard(good)).toHaveLength(8);
  expect(failing({})).toEqual([]);
});

test.each<readonly [string, Partial<ScorecardInput>]>([
  ['actors.prefix fail', { actors: [{ ...actor, type: 'atm' }] }],
  ['actors.principals fail', { actors: [{ ...actor, principals: [] }] }],
  ['certificates.expired fail', { onFile: [{ ...onFile, state: 'expired' }] }],
  ['certificates.stale fail', { onFile: [onFile, { ...onFile, actor: 'agt-gone' }] }],
  ['certificates.stale fail', { onFile: [{ ...onFile, certificate: undefined, state: 'unreadable' }] }],
  [
    'certificates.ttl fail',
    { onFile: [{ ...onFile, certificate: { ...certificate, validBefore: 4600n + 3600n } }] },
  ],
  ['actors.unused warn', { trailIsOld: true }],
  ['never.ends fail', { tokenTtlSeconds: 0 }],
])('%s', (expected, change) => {
  expect(failing(change)).toEqual([expected]);
});

test('a certificate that never ends is too long as well', () => {
  const forever = { ...certificate, validBefore: 2n ** 64n - 1n };
  expect(failing({ onFile: [{ ...onFile, certificate: forever }] })).toEqual([
    'certificates.ttl fail',
    'never.ends fail',
  ]);
});

test.each<readonly [string, RoleFields | string, string]>([
  ['signs for longer than the type may have', { ...role, maxTtlSeconds: 25 * 3600 }, 'fail'],
  ['has no max_ttl of its own', { ...role, maxTtlSeconds: 0 }, 'fail'],
  ['signs for less than an actor may ask', { ...role, maxTtlSeconds: 60 }, 'fail'],
  ['can’t be seen', 'permission denied', 'unknown'],
])('a role that %s', (_name, fields, status) => {
  const roles = new Map([['agt' as const, { name: 'agt-role', fields }]]);
  expect(failing({ roles })).toEqual([`caps.roles ${status}`]);
});
