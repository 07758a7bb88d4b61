/**
 * The `openbao:` block with the environment below it: addresses, mount, roles (TLS: openbao-tls.ts; the way to log in: auth-block.ts). The names of the
 * variables and the rule that an empty BAO_X hides VAULT_X are OpenBao's (api/client.go, ReadBaoVariable). Left out:
 * retries and timeouts (the lanes' deadlines count), proxies.
 */
import { resolveAuth } from './auth-block.ts';
import type { OpenBaoConfig } from './config.ts';
import { resolveTls } from './openbao-tls.ts';
import { DEFAULTS, type OpenBaoYaml } from './schema.ts';
import type { Sources } from './sources.ts';
import type { Path } from './yaml-file.ts';

/** Resolves the block. `block` is the name it has in the file. Problems are left in `sources`. */
export function resolveOpenBao(
  sources: Sources,
  yaml: OpenBaoYaml,
  block: 'openbao' | 'vault',
  uid: number,
): OpenBaoConfig {
  const tls = resolveTls(sources, yaml, block);
  const auth = resolveAuth(sources, yaml, block, uid);
  if (auth.method === 'cert' && tls.clientCert === undefined) {
    const hint = 'add openbao.client_cert and client_key';
    sources.report('openbao.auth.method', [block, 'auth', 'method'], 'cert needs a client certificate', hint);
  }
  return {
    addresses: addresses(sources, yaml, block),
    mount: sources.first('openbao.mount', [sources.inFile([block, 'mount'], yaml.mount)], DEFAULTS.mount),
    namespace: sources.optional('openbao.namespace', [
      sources.inFile([block, 'namespace'], yaml.namespace),
      sources.bao('NAMESPACE'),
    ]),
    roleMap: roleMap(sources, yaml, block),
    tls,
    sshCa: sources.first<readonly string[]>(
      'openbao.ssh_ca',
      [sources.inFile([block, 'ssh_ca'], yaml.ssh_ca)],
      [],
    ),
    keyId: sources.first('openbao.key_id', [sources.inFile([block, 'key_id'], yaml.key_id)], DEFAULTS.key_id),
    auth,
  };
}

function roleMap(sources: Sources, yaml: OpenBaoYaml, block: string): OpenBaoConfig['roleMap'] {
  const { adm, agt, atm } = sources.first(
    'openbao.role_map',
    [sources.inFile([block, 'role_map'], yaml.role_map)],
    {},
  );
  return {
    ...(adm === undefined ? {} : { adm }),
    ...(agt === undefined ? {} : { agt }),
    ...(atm === undefined ? {} : { atm }),
  };
}

function addresses(sources: Sources, yaml: OpenBaoYaml, block: string): readonly string[] {
  const path: Path = [block, 'addr'];
  const raw = sources.first<string | string[]>(
    'openbao.addr',
    [sources.inFile(path, yaml.addr), sources.bao('AGENT_ADDR'), sources.bao('ADDR')],
    DEFAULTS.addr,
  );
  const allowed = (yaml.insecure_http ?? []).map((host) => host.toLowerCase());
  return [raw].flat().flatMap((text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const wrong = whatIsWrong(url, allowed);
    if (wrong !== undefined) sources.report('openbao.addr', path, wrong.message, wrong.hint);
    if (url === undefined || wrong !== undefined) return [];
    if (url.protocol === 'unix:') return [`unix://${decodeURIComponent(url.pathname)}`];
    if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
      sources.warnings.push(`openbao.addr: the token goes to ${url.host} unencrypted (insecure_http)`);
    }
    return [`${url.origin}${url.pathname.replace(/\/+$/, '')}`];
  });
}

/** The address itself is not repeated: it may hold a password. */
function whatIsWrong(
  url: URL | undefined,
  allowed: readonly string[],
): { message: string; hint: string } | undefined {
  if (url?.protocol === 'unix:') {
    return url.host === '' && url.pathname.length > 1 && url.search === '' && url.hash === ''
      ? undefined
      : { message: 'is no path of a Unix socket', hint: 'write unix:///run/bao.sock' };
  }
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return { message: 'is not an address', hint: 'write https://host:8200' };
  }
  if (url.username !== '' || url.password !== '') {
    return { message: 'holds a user or password', hint: 'remove it: warden logs in with a token' };
  }
  if (url.search !== '' || url.hash !== '') {
    return { message: 'has a query or fragment', hint: 'write https://host:8200' };
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && !allowed.includes(url.hostname)) {
    return {
      message: `plain http to ${url.hostname} would show the token to the network`,
      hint: `use https, or openbao.insecure_http: [${url.hostname}]`,
    };
  }
  return undefined;
}

/** Whether a URL's host stays on this machine: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}
