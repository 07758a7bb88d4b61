import { describe, expect, test } from 'vitest';
import { ENGINES } from '../../../src/policy/engine.ts';
import { narrowingOf, type Question } from '../../../src/policy/question.ts';

const asking = { tenant: 'tenant:platform', system: 'ops-warden', path: 'warden/gate' };
const question: Question = {
  subject: { id: 'adm-x', type: 'adm' },
  action: 'sign',
  resource: { id: 'ssh-cert:actor/adm-x', type: 'ssh-certificate' },
  facts: { actor_type: 'adm', principals: ['ops'], pubkey_fingerprint: 'SHA256:a', ttl_hours: 1 },
  login: { lane: 'web', host: 'web1', via: ['bastion'], logins: ['ops'] },
};

describe('AuthZEN', () => {
  const { path, body, read } = ENGINES.authzen;

  test('asks in the form of Authorization API 1.0', () => {
    expect(path(asking)).toBe('access/v1/evaluation');
    expect(body(question, asking)).toEqual({
      subject: { type: 'adm', id: 'adm-x', properties: { tenant: 'tenant:platform' } },
      action: { name: 'sign' },
      resource: {
        type: 'ssh-certificate',
        id: 'ssh-cert:actor/adm-x',
        properties: { system: 'ops-warden', tenant: 'tenant:platform' },
      },
      context: { ...question.facts, ssh: question.login },
    });
  });

  // The responses of the specification's section "Access Evaluation API".
  test('reads its answers', () => {
    expect(read({ decision: true })).toEqual({
      allow: true,
      id: undefined,
      reason: undefined,
      obligations: [],
    });
    expect(read({ decision: false }).allow).toBe(false);
    const explained = {
      decision: false,
      context: {
        id: '0',
        reason_admin: { '403': 'Request failed policy C076E82F' },
        reason_user: { '403': 'Insufficient privileges. Contact your administrator' },
      },
    };
    expect(read(explained)).toMatchObject({
      allow: false,
      id: '0',
      reason: 'Insufficient privileges. Contact your administrator',
    });
    for (const none of [{}, [], null, { decision: 'true' }, { decision: 1 }, { Decision: true }])
      expect(() => read(none)).toThrow();
  });
});

describe('OPA', () => {
  const { path, body, read } = ENGINES.opa;

  test('asks for the rule, with the question as its input', () => {
    expect(path(asking)).toBe('v1/data/warden/gate');
    expect(body(question, asking)).toEqual({ input: ENGINES.authzen.body(question, asking) });
  });

  test('an undefined rule denies; a boolean and an object are read', () => {
    expect(read({}).allow).toBe(false);
    expect(read({ result: true, decision_id: 'd' })).toMatchObject({ allow: true, id: 'd' });
    expect(read({ result: { allow: false, reason: 'r', other: 1 } })).toMatchObject({
      allow: false,
      reason: 'r',
    });
    for (const none of [{ result: 'true' }, { result: { allow: 1 } }, { result: null }, true])
      expect(() => read(none)).toThrow();
  });
});

describe('flex-auth', () => {
  const { read } = ENGINES['flex-auth'];
  test.each(['deny', 'redact', 'audit_only', 'not_applicable'])('%s denies', (effect) => {
    expect(read({ id: 'decision:1', effect }).allow).toBe(false);
  });

  test('allow wants a name for the decision', () => {
    expect(read({ effect: 'allow', request_id: 'r-1' })).toMatchObject({ allow: true, id: 'r-1' });
    expect(read({ effect: 'allow' }).allow).toBe(false);
    expect(() => read({ id: 'd', effect: 'yes' })).toThrow();
  });
});

describe('obligations', () => {
  const limit = (type: string, parameters: Record<string, unknown>) => ({ type, parameters });

  test('narrow to the least of all', () => {
    expect(
      narrowingOf([
        limit('limit_ttl', { seconds: 60 }),
        limit('limit_ttl', { seconds: 30 }),
        limit('limit_principals', { principals: ['a', 'b'] }),
        limit('limit_principals', { principals: ['b', 'c'] }),
      ]),
    ).toEqual({ ttlSeconds: 30, principals: ['b'] });
    expect(narrowingOf([])).toEqual({});
  });

  test.each([
    ['of a type that is not known', { type: 'mfa' }],
    ['without its parameters', { type: 'limit_ttl' }],
    ['of no time', limit('limit_ttl', { seconds: 0 })],
    ['of half a second', limit('limit_ttl', { seconds: 0.5 })],
    ['of one principal as a text', limit('limit_principals', { principals: 'ops' })],
  ])('%s: a denial', (_, obligation) => {
    expect(() => narrowingOf([obligation])).toThrow('obligation that warden can');
  });
});
