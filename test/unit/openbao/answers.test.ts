import { describe, expect, test } from 'vitest';
import { errorOf, parseJson } from '../../../src/openbao/answers.ts';
import type { BaoResponse } from '../../../src/openbao/http-client.ts';

const PATH = 'ssh/sign/dev';

function response(status: number, body: string, type = 'application/json'): BaoResponse {
  return { status, body, headers: { 'content-type': type }, address: 'http://bao:8200' };
}

function errorFor(status: number, ...errors: readonly string[]) {
  return errorOf(response(status, JSON.stringify({ errors })), PATH);
}

/** OpenBao 2.7.2's own words (test/contract and test/fault hold them to the real server). */
const BAD_REQUESTS: readonly (readonly [reason: string, field: string, hint: string])[] = [
  ['Unknown role: dev', 'role', 'ssh.role'],
  ['unknown ROLE: dev', 'role', 'ssh.role'],
  ['bob is not a valid value for valid_principals', 'principals', 'allowed_users'],
  ['role is not configured to allow any principals', 'principals', 'allowed_users'],
  ['ttl is larger than maximum allowed 300', 'ttl', 'max_ttl'],
  ['extensions [permit-x] are not on allowed list', 'extensions', 'allowed_extensions'],
  ['critical options not on allowed list: [source-address]', 'critical_options', 'allowed_critical_options'],
  ['setting key_id is not allowed by role', 'key_id', 'openbao.key_id'],
  [
    'public_key failed to meet the key requirements: key of type ed25519 is not allowed',
    'public_key',
    'allowed_user_key_lengths',
  ],
  ['no default issuer currently configured', 'issuer', 'ssh/config/ca'],
  ['unable to find issuer for reference: x', 'issuer', 'ssh/config/ca'],
  ['something that nobody has seen', 'request', 'bao read ssh/roles/ROLE'],
];

describe('a 400', () => {
  test.each(BAD_REQUESTS)('%s', (reason, field, hint) => {
    const error = errorFor(400, reason);
    expect(error.code).toBe('bao_bad_request');
    expect(error.message).toBe(`OpenBao refuses the ${field} on ${PATH}: ${reason}`);
    expect(error.hint).toContain(hint);
  });
});

describe('other statuses', () => {
  test.each([
    [403, 'permission denied', 'token_expired', 'log in again'],
    [
      403,
      '2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n',
      'token_expired',
      'log in again',
    ],
    [403, '1 error occurred:\n\t* permission denied\n\n', 'bao_denied', 'path "ssh/sign/dev"'],
    [404, 'no handler for route "ssh/sign/dev". route entry not found.', 'bao_bad_request', 'openbao.mount'],
    [404, 'namespace not found', 'bao_bad_request', 'openbao.namespace'],
    [429, 'rate limit quota exceeded', 'bao_rate_limited', 'quota'],
    [500, 'internal error', 'bao_unavailable', 'log'],
    [500, 'local node not active but active cluster node not found', 'bao_unavailable', 'log'],
    [502, 'bad gateway', 'bao_unavailable', 'log'],
    [503, 'Vault is sealed', 'bao_sealed', 'unseal'],
    [503, 'OPENBAO IS SEALED', 'bao_sealed', 'unseal'],
    [503, 'no active Vault instance found', 'bao_unavailable', 'active'],
    [307, 'a standby', 'bao_unavailable', 'openbao.addr'],
    [473, '', 'bao_unavailable', 'openbao.addr'],
    [200, '', 'bao_bad_answer', 'openbao.addr'],
    [412, 'missing "X-Vault-Request" header', 'bao_unavailable', 'openbao.addr'],
  ])('%d %s', (status, reason, code, hint) => {
    const error = errorFor(status, ...(reason === '' ? [] : [reason]));
    expect(error.code).toBe(code);
    expect(error.message).toContain(
      reason === '' ? 'no reason given' : (/\* (.*)/.exec(reason)?.[1] ?? reason),
    );
    expect(error.hint).toContain(hint);
  });
});

describe('what OpenBao says becomes one line', () => {
  test("without its router's frame", () => {
    expect(errorFor(403, '1 error occurred:\n\t* permission denied\n\n').message).toBe(
      'OpenBao answered 403 on ssh/sign/dev: permission denied',
    );
    expect(errorFor(500, '2 errors occurred:\n\t* one\n\t* two\n\n', 'three').message).toContain(
      ': one * two ; three',
    );
  });

  test('without what steers a terminal, and not for ever', () => {
    const { message } = errorFor(500, `\u001b[2J\u202e\u0007${'x'.repeat(10_000)}`);
    expect(message).not.toMatch(/\p{C}/u);
    expect(message.length).toBeLessThan(500);
  });

  test.each(['{}', '[]', 'null', '{"errors":"sealed"}', '{"errors":[1]}'])('%s has no reason', (body) => {
    expect(errorOf(response(503, body), PATH)).toMatchObject({
      code: 'bao_unavailable',
      message: expect.stringContaining('no reason given'),
    });
  });
});

test.each(['<html>', '', '{"errors":', '\u0000\u0001'])('%j is no JSON, whatever the status', (body) => {
  for (const status of [200, 400, 403, 503]) {
    expect(() => parseJson(response(status, body, 'text/html; \u001b[1m'))).toThrow(
      expect.objectContaining({
        code: 'bao_bad_answer',
        message: `http://bao:8200 answered ${status} with text/html; ?[1m, not OpenBao's JSON`,
      }),
    );
  }
});
