/** A bare keep-alive client of OpenBao in Node: the POST that the daemon sends, with a fresh key, and nothing around it. */
import { generateKeyPairSync } from 'node:crypto';
import * as http from 'node:http';
import { ed25519PublicBlob } from '../src/ssh/public-key.ts';
import type { OpenBao } from '../test/support/openbao.ts';
import { RAW_LOGIN } from './parts.ts';

export interface BareClient {
  /** One certificate; returns the milliseconds from the request to the end of the answer. */
  post(): Promise<number>;
  close(): void;
}

export function bareClient(bao: OpenBao, connections: number): BareClient {
  const agent = new http.Agent({ keepAlive: true, noDelay: true, maxSockets: connections });
  return {
    post() {
      const key = ed25519PublicBlob(generateKeyPairSync('ed25519').publicKey).toString('base64');
      const body = JSON.stringify({
        public_key: `ssh-ed25519 ${key}`,
        valid_principals: RAW_LOGIN,
        ttl: '120s',
        cert_type: 'user',
      });
      const headers = {
        'x-vault-request': 'true',
        'x-vault-token': bao.token,
        'content-type': 'application/json',
        'content-length': body.length,
      };
      return new Promise((resolve, reject) => {
        const began = performance.now();
        const url = `${bao.addr}/v1/${bao.mount}/sign/${bao.role}`;
        const request = http.request(url, { method: 'POST', headers, agent }, (answer) => {
          answer.resume();
          answer.once('end', () => {
            if (answer.statusCode === 200) resolve(performance.now() - began);
            else reject(new Error(`OpenBao answered ${answer.statusCode}`));
          });
        });
        request.once('error', reject);
        request.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}
