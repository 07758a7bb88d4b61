/** The method `cert` (OpenBao's docs, "TLS certificates auth method"): the connection's own client certificate logs in. */
import type { CertAuth } from '../config/config.ts';
import type { RequestMethod } from './login-request.ts';

export function certMethod({ mount, role }: CertAuth): RequestMethod {
  const which = role === undefined ? 'any role that fits' : `role ${role}`;
  return {
    method: 'cert',
    hint: `is openbao.client_cert still valid, and does auth/${mount}/certs trust its CA?`,
    describe: () => `TLS client certificate at auth/${mount}, ${which}`,
    request: async () => ({ path: `${mount}/login`, body: role === undefined ? {} : { name: role } }),
  };
}
