/**
 * OpenBao's SSH secrets engine as warden uses it (OpenBao's API documentation, "SSH secrets engine"): sign a public key, read the
 * CA's public keys. Never `issue/`: there the server would see the private key.
 */
import * as z from 'zod';
import { WardenError } from '../errors.ts';
import { errorOf, parseJson } from './answers.ts';
import { type Authorization, baseHeaders, encodePath, HEALTH_PATH } from './headers.ts';
import type { BaoResponse, HttpClient } from './http-client.ts';

export interface SignParameters {
  readonly role: string;
  /** `ssh-ed25519 AAAA…`, without a comment. */
  readonly publicKey: string;
  readonly principals: readonly string[];
  readonly ttlSeconds: number;
  /** Undefined: the role's defaults. An empty list means the same to OpenBao. */
  readonly extensions: readonly string[] | undefined;
  readonly criticalOptions: Readonly<Record<string, string>>;
  readonly keyId: string | undefined;
  readonly deadlineMs: number;
}

export interface SignAnswer {
  /** The certificate line as OpenBao gave it. Nothing about it is believed before it is parsed and checked. */
  readonly signedKey: string;
  readonly requestId: string;
  readonly address: string;
  /** Milliseconds since the epoch by the server's `Date` header, where it sent one. */
  readonly serverTime: number | undefined;
}

const signBody = z.object({
  request_id: z.string().max(128).default(''),
  data: z.object({ signed_key: z.string().max(64 * 1024) }),
});

/** Statuses of sys/health that mean "this node answers for a cluster that works": active or standby, and Vault's two kinds of replica. */
const HEALTHY = new Set([200, 429, 472, 473]);

export interface SshEngine {
  /** Asks for a certificate. Throws what `errorOf` and the HTTP client throw. */
  sign(authorization: Authorization, parameters: SignParameters): Promise<SignAnswer>;
  /** The CA's public key lines; needs no token. */
  caPublicKeys(deadlineMs: number): Promise<readonly string[]>;
  /** Whether a node answers and can serve. Never throws. */
  healthy(deadlineMs: number): Promise<boolean>;
}

/** Milliseconds since the epoch by the answer's `Date` header, where it has one. */
export function serverTimeOf(response: BaoResponse): number | undefined {
  const time = Date.parse(response.headers['date'] ?? '');
  return Number.isNaN(time) ? undefined : time;
}

/** The engine mounted at `mount`, in `namespace` where one is given. */
export function sshEngine(http: HttpClient, mount: string, namespace: string | undefined): SshEngine {
  const base = baseHeaders(namespace);

  return {
    async sign(authorization, p) {
      const path = `${encodePath(mount)}/sign/${encodeURIComponent(p.role)}`;
      const body = {
        public_key: p.publicKey,
        valid_principals: p.principals.join(','),
        ttl: `${p.ttlSeconds}s`,
        cert_type: 'user',
        ...(p.keyId === undefined ? {} : { key_id: p.keyId }),
        // Sent only when the lane names some: any critical option in a request drops the role's defaults.
        ...(Object.keys(p.criticalOptions).length === 0 ? {} : { critical_options: p.criticalOptions }),
        ...(p.extensions === undefined
          ? {}
          : { extensions: Object.fromEntries(p.extensions.map((name) => [name, ''])) }),
      };
      const response = await http.request({
        method: 'POST',
        path,
        headers: { ...base, ...authorization },
        body: JSON.stringify(body),
        deadlineMs: p.deadlineMs,
      });
      if (response.status !== 200) throw errorOf(response, path);
      const parsed = signBody.safeParse(parseJson(response));
      if (!parsed.success) {
        throw new WardenError('bao_bad_answer', `OpenBao's answer on ${path} holds no certificate`, {
          hint: 'is openbao.mount an SSH secrets engine?',
          cause: parsed.error,
        });
      }
      return {
        signedKey: parsed.data.data.signed_key,
        requestId: parsed.data.request_id,
        address: response.address,
        serverTime: serverTimeOf(response),
      };
    },
    async caPublicKeys(deadlineMs) {
      const path = `${encodePath(mount)}/public_key`;
      const response = await http.request({
        method: 'GET',
        path,
        headers: base,
        deadlineMs,
        repeatable: true,
      });
      // Every SSH engine shows this key to anybody; without a token, OpenBao says 403 instead of 404 where there is no mount.
      if (response.status === 403) throw errorOf({ ...response, status: 404 }, path);
      if (response.status !== 200) throw errorOf(response, path);
      return response.body.split('\n').filter((line) => line.trim() !== '');
    },
    async healthy(deadlineMs) {
      try {
        const headers = baseHeaders(undefined);
        const response = await http.request({ method: 'GET', path: HEALTH_PATH, headers, deadlineMs });
        return HEALTHY.has(response.status);
      } catch {
        return false;
      }
    },
  };
}
