/**
 * A real OpenID Connect provider on loopback (the npm package `oidc-provider`, certified by the OpenID Foundation), which knows everybody by
 * the name that they type, and a person who goes through its pages without a browser: follows redirects, keeps cookies, sends forms.
 */
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

export const CLIENT_ID = 'openbao';
export const CLIENT_SECRET = 'client-secret-of-openbao';
const MAX_STEPS = 30;

export interface IdentityProvider {
  /** Its issuer: the discovery document is below it. */
  readonly url: string;
  /** Codes, tokens and secrets that it gave away, for the search where they may not be. */
  readonly given: readonly string[];
  /** From now on its device flow gives an address without the code, which the person has to type there. */
  wantTypedCodes(): void;
  stop(): Promise<void>;
}

/** `redirectUris`: where it may send browsers back to. */
export async function startIdentityProvider(redirectUris: readonly string[]): Promise<IdentityProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  const given: string[] = [];
  const provider = new Provider(url, {
    clients: [
      {
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        // OpenBao's device flow sends the secret in the body.
        token_endpoint_auth_method: 'client_secret_post',
        application_type: 'native',
        redirect_uris: [...redirectUris],
        response_types: ['code'],
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      },
    ],
    cookies: { keys: ['a key for tests'] },
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  provider.on('grant.success', (context) => {
    for (const value of Object.values(context.body ?? {}))
      if (typeof value === 'string' && value.length > 20) given.push(value);
  });
  provider.on('authorization_code.saved', (code) => given.push(code.jti));
  provider.on('device_code.saved', (code) => given.push(code.jti));
  let typedCodes = false;
  provider.use(async (context, next) => {
    await next();
    if (typedCodes && context.path === '/device/auth') delete context.body.verification_uri_complete;
  });
  server.on('request', provider.callback());
  return {
    url,
    given,
    wantTypedCodes() {
      typedCodes = true;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Form {
  readonly action: string;
  readonly fields: URLSearchParams;
  readonly method: string;
}

const attribute = (tag: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
const plainText = (text: string) =>
  text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');

/** The page's form, filled in with what the person types; undefined: it has none. */
function formOf(html: string, base: string, typed: Readonly<Record<string, string>>): Form | undefined {
  const [, open = '', inside = ''] = /(<form[^>]*>)([\s\S]*?)<\/form>/.exec(html) ?? [];
  if (open === '') return undefined;
  const fields = new URLSearchParams();
  for (const [input] of inside.matchAll(/<(?:input|button)[^>]*>/g)) {
    const name = attribute(input, 'name');
    if (name !== undefined) fields.set(name, typed[name] ?? plainText(attribute(input, 'value') ?? ''));
  }
  return {
    action: new URL(plainText(attribute(open, 'action') ?? base), base).href,
    fields,
    method: (attribute(open, 'method') ?? 'get').toUpperCase(),
  };
}

/**
 * What a person with a browser does who opens `url`: goes on until a page has nothing more to send. `typed` is what is typed into the fields
 * of these names; `cancel` stands for the link of that name. Returns the last page's text.
 */
export async function browse(url: string, typed: Readonly<Record<string, string>>): Promise<string> {
  const jars = new Map<string, Map<string, string>>();
  let next: { url: string; method: string; body?: URLSearchParams } = { url, method: 'GET' };
  let cancelled = false;
  for (let step = 0; step < MAX_STEPS; step++) {
    const { origin } = new URL(next.url);
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    const response = await fetch(next.url, {
      method: next.method,
      redirect: 'manual',
      headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') },
      signal: AbortSignal.timeout(10_000),
      ...(next.body === undefined ? {} : { body: next.body }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') jar.delete(name);
      else jar.set(name, value);
    }
    const text = await response.text();
    const location = response.headers.get('location');
    if (location !== null) {
      next = { url: new URL(location, next.url).href, method: 'GET' };
      continue;
    }
    // OpenBao's page that asks to confirm: what its button's script does.
    if (text.includes('id="confirm-button"')) {
      const confirmed = new URL(next.url);
      confirmed.searchParams.set('confirmation', '1');
      next = { url: confirmed.href, method: 'GET' };
      continue;
    }
    const cancel = typed['cancel'] === undefined ? undefined : /href="([^"]*\/abort)"/.exec(text)?.[1];
    if (cancel !== undefined) {
      cancelled = true;
      next = { url: new URL(cancel, next.url).href, method: 'GET' };
      continue;
    }
    const form = response.status < 400 && !cancelled ? formOf(text, next.url, typed) : undefined;
    if (form === undefined) return text;
    if (form.method === 'GET') next = { url: `${form.action.split('?')[0]}?${form.fields}`, method: 'GET' };
    else next = { url: form.action, method: 'POST', body: form.fields };
  }
  throw new Error(`no end after ${MAX_STEPS} pages, the last at ${next.url}`);
}
