/** Inline login: what is sent, and to which servers nothing may be sent. */
import { expect, test } from 'vitest';
import { inlineCredential } from '../../../src/credentials/inline.ts';
import type { HttpClient } from '../../../src/openbao/http-client.ts';

function credential(version: string) {
  const http: HttpClient = {
    request: async () => ({
      status: 200,
      headers: {},
      body: JSON.stringify({ initialized: true, sealed: false, version }),
      address: 'http://bao',
    }),
    close: () => undefined,
  };
  let asked = 0;
  const method = {
    method: 'approle',
    hint: 'do something',
    describe: () => 'a test',
    async request() {
      asked += 1;
      return { path: 'approle/login', body: { role_id: 'r', secret_id: 'ß?>' } };
    },
  };
  return { made: inlineCredential(method, http), asked: () => asked };
}

test.each(['2.5.4', '2.5.10', '2.6.0', '3.0.0', '2.7.2+hsm'])(
  '%s gets the login in headers',
  async (version) => {
    const { made } = credential(version);
    const { 'x-vault-inline-auth-path': path, ...parameters } = await made.authorization(1_000);
    expect(path).toBe('auth/approle/login');
    const decoded = Object.values(parameters).map((text) =>
      JSON.parse(Buffer.from(text, 'base64url').toString('utf8')),
    );
    expect(decoded).toEqual([
      { key: 'role_id', value: 'r' },
      { key: 'secret_id', value: 'ß?>' },
    ]);
    expect(Object.values(parameters).join('')).not.toMatch(/[+/=]/);
  },
);

test.each(['2.5.3', '2.4.9', '1.99.99', '', 'x.y.z'])(
  '%j gets nothing, and the secret is not even read',
  async (version) => {
    const { made, asked } = credential(version);
    await expect(made.authorization(1_000)).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('audit log'),
    });
    expect(asked()).toBe(0);
  },
);
