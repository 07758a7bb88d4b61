/**
 * Where the browser comes back to after a login at an OpenID Connect provider: a listener on loopback for one login (RFC 8252, section 7.3).
 * Any program of the machine can connect to it; what counts is the login's own `state` (RFC 6749, section 10.12). The page that the person
 * sees waits until OpenBao has said whether it knows them.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errnoOf, WardenError } from '../errors.ts';
import { sanitizeLine } from '../system/sanitize.ts';

const REQUEST_DEADLINE_MS = 5_000;
const MAX_CONNECTIONS = 16;

/** What came back. */
export interface Returned {
  readonly code: string;
  /** Shows the person how it ended; `failure` is one line. */
  show(failure?: string): void;
}

export interface CallbackListener {
  /** Resolves with the first return that has the login's state and a code. Rejects with `login_refused` where the provider refused. */
  readonly returned: Promise<Returned>;
  close(): void;
}

/** The addresses to listen on for the host of a redirect URI; none: it is not loopback. */
function addressesOf(hostname: string): readonly string[] {
  if (hostname === 'localhost') return ['127.0.0.1', '::1'];
  return { '127.0.0.1': ['127.0.0.1'], '[::1]': ['::1'] }[hostname] ?? [];
}

function page(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    connection: 'close',
  });
  response.end(`${text}\n`);
}

async function listen(server: Server, port: number, host: string): Promise<boolean> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    return true;
  } catch (cause) {
    // A machine without IPv6.
    if (['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(errnoOf(cause)) && host === '::1') return false;
    throw new WardenError('login_refused', `can't listen on ${host} port ${port}: ${errnoOf(cause)}`, {
      hint: "end what listens there (ss -ltnp), or name another port in openbao.auth.redirect_uri and the provider's list",
      cause,
    });
  }
}

/**
 * Listens on `redirectUri` for the return of the login with this `state`. Throws `config_invalid` where that is not on loopback,
 * `login_refused` where the port is taken.
 */
export async function openCallback(redirectUri: string, state: string): Promise<CallbackListener> {
  const { protocol, hostname, port, pathname } = new URL(redirectUri);
  const addresses = addressesOf(hostname);
  if (protocol !== 'http:' || addresses.length === 0)
    throw new WardenError('config_invalid', `the browser would come back to ${redirectUri}, not to warden`, {
      hint: "write http://localhost:PORT/… in openbao.auth.redirect_uri, or give the role callback_mode=direct, which takes OpenBao's own",
    });
  let settle: { resolve(returned: Returned): void; reject(error: WardenError): void } | undefined;
  const returned = new Promise<Returned>((resolve, reject) => {
    settle = { resolve, reject };
  });
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const target = request.url ?? '/';
    const url = new URL(URL.canParse(target, redirectUri) ? target : '/', redirectUri);
    request.resume();
    if (url.pathname !== pathname) return page(response, 404, 'not here');
    if (request.method !== 'GET')
      return page(response, 405, 'warden takes no form_post: set oidc_response_mode=query in OpenBao');
    const { searchParams: parameters } = url;
    if (parameters.get('state') !== state || settle === undefined)
      return page(response, 400, 'This is not the login that warden waits for.');
    const code = parameters.get('code');
    const { resolve, reject } = settle;
    settle = undefined;
    if (code !== null && code !== '') {
      const show = (failure?: string) =>
        failure === undefined
          ? page(response, 200, 'warden is logged in to OpenBao. You can close this window.')
          : page(response, 403, `warden is not logged in: ${sanitizeLine(failure)}`);
      return resolve({ code, show });
    }
    const reason = sanitizeLine(parameters.get('error') ?? 'it sent no code');
    page(response, 403, `The provider refused the login: ${reason}`);
    reject(
      new WardenError('login_refused', `the provider refused the login: ${reason}`, {
        hint: 'try again: warden login',
      }),
    );
  };
  // It may be refused before anybody waits for it.
  returned.catch(() => undefined);
  const servers: Server[] = [];
  const close = () => {
    for (const server of servers) {
      server.close();
      server.closeIdleConnections();
    }
  };
  try {
    for (const host of addresses) {
      const limits = { requestTimeout: REQUEST_DEADLINE_MS, headersTimeout: REQUEST_DEADLINE_MS };
      const server = createServer(limits, answer);
      server.maxConnections = MAX_CONNECTIONS;
      if (await listen(server, Number(port || '80'), host)) servers.push(server);
    }
  } catch (thrown) {
    close();
    throw thrown;
  }
  return { returned, close };
}
