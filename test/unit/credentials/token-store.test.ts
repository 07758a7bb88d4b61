/** The store with a method and an engine of the test's own, so that hours pass in no time: what is renewed when, and what then. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { LoginMethod } from '../../../src/credentials/credential.ts';
import type { LoginReport } from '../../../src/credentials/login-reports.ts';
import { TokenStore } from '../../../src/credentials/token-store.ts';
import { type ErrorCode, WardenError } from '../../../src/errors.ts';
import type { AuthEngine, Capabilities, Grant, TokenInfo } from '../../../src/openbao/auth-engine.ts';

const HOUR: Grant = {
  token: 't',
  accessor: '',
  ttlSeconds: 3600,
  fullTtlSeconds: 3600,
  renewable: true,
  uses: 0,
};
const INFO: TokenInfo = {
  accessor: 'found-accessor',
  displayName: 'token-x',
  entityId: '',
  ttlSeconds: 3600,
  fullTtlSeconds: 3600,
  renewable: true,
  uses: 0,
  maxTtlSeconds: 0,
  isBatch: false,
  policies: [],
  namespace: '',
};

const unused = () => Promise.reject(new Error('not asked'));
const NO_ENGINE: AuthEngine = {
  login: unused,
  validateMfa: unused,
  unwrapSecretId: unused,
  wrappedBy: unused,
  renewSelf: unused,
  revokeSelf: unused,
  lookupSelf: unused,
  capabilities: unused,
};

interface World {
  /** What was asked of OpenBao and of the method, in order. */
  readonly asked: string[];
  readonly notices: WardenError[];
  readonly reports: LoginReport[];
  /** What the next logins give; the last one counts for all after it. */
  logins: (Partial<Grant> | { readonly found: string } | ErrorCode)[];
  renewals: (Partial<Grant> | ErrorCode)[];
  lookup: Partial<TokenInfo> | ErrorCode;
  capabilities: Capabilities;
  changed: boolean;
  /** Milliseconds that only the wall clock has gone on: a sleep, or a clock that was set. */
  wallAheadMs: number;
}

let world: World;
let store: TokenStore | undefined;

beforeEach(() => {
  vi.useFakeTimers();
  world = {
    asked: [],
    notices: [],
    reports: [],
    logins: [{}],
    renewals: [{}],
    lookup: {},
    capabilities: ['update'],
    changed: false,
    wallAheadMs: 0,
  };
});
afterEach(async () => {
  await store?.close(1_000);
  vi.useRealTimers();
});

function next<T>(list: T[]): T {
  const [first, ...rest] = list;
  if (first === undefined) throw new Error('nothing is left to answer with');
  if (rest.length > 0) list.shift();
  return first;
}

function thrown(code: ErrorCode): WardenError {
  return new WardenError(code, `${code} happened`);
}

function open(renewedBy: LoginMethod['renewedBy'] = 'daemon'): TokenStore {
  let count = 0;
  const method: LoginMethod = {
    method: 'test',
    renewedBy,
    hint: 'do something',
    describe: () => 'a test',
    async logIn() {
      world.asked.push('login');
      const answer = next(world.logins);
      count += 1;
      if (typeof answer === 'string') throw thrown(answer);
      return 'found' in answer ? { token: answer.found } : { ...HOUR, token: `t${count}`, ...answer };
    },
    changed: async () => world.changed,
  };
  const engine: AuthEngine = {
    ...NO_ENGINE,
    async renewSelf(_authorization, token) {
      world.asked.push(`renew ${token}`);
      const answer = next(world.renewals);
      if (typeof answer === 'string') throw thrown(answer);
      return { ...HOUR, token, ...answer };
    },
    async revokeSelf(authorization) {
      world.asked.push(`revoke ${authorization['x-vault-token']}`);
    },
    async lookupSelf() {
      if (typeof world.lookup === 'string') throw thrown(world.lookup);
      return { ...INFO, ...world.lookup };
    },
    async capabilities() {
      world.asked.push('capabilities');
      return world.capabilities;
    },
  };
  store = new TokenStore({
    method,
    engine,
    clock: {
      now: () => 1_000_000 + performance.now() + world.wallAheadMs,
      monotonicNs: () => BigInt(Math.round(performance.now() * 1e6)),
    },
    notice: (error) => world.notices.push(error),
    onLogin: (report) => world.reports.push(report),
    random: () => 0,
  });
  return store;
}

async function token(from: TokenStore): Promise<string | undefined> {
  return (await from.authorization(1_000))['x-vault-token'];
}

const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 60_000);

describe('a token that the daemon can get by itself', () => {
  test('is got once for all who wait, renewed at 60 to 75 % of its time, and stays the same', async () => {
    const credential = open();
    expect(await Promise.all([token(credential), token(credential)])).toEqual(['t1', 't1']);
    expect(world.asked).toEqual(['login']);
    await minutes(35.9);
    expect(world.asked).toEqual(['login']);
    await minutes(0.2);
    expect(world.asked).toEqual(['login', 'renew t1']);
    await minutes(24 * 60);
    expect(new Set(world.asked)).toEqual(new Set(['login', 'renew t1']));
    expect(await token(credential)).toBe('t1');
    expect(world.notices).toEqual([]);
  });

  test.each<[string, Partial<Grant>]>([
    ['not renewable', { renewable: false }],
    ['for a few uses', { uses: 100 }],
  ])('%s: another is got before it ends', async (_name, grant) => {
    world.logins = [grant];
    const credential = open();
    await token(credential);
    await minutes(36.1);
    expect(world.asked).toEqual(['login', 'login']);
    expect(await token(credential)).toBe('t2');
  });

  test('at its longest time to live: renewals give less, and then another is got', async () => {
    world.renewals = [{ ttlSeconds: 1_200 }];
    const credential = open();
    await token(credential);
    await minutes(36.1);
    expect(world.asked).toEqual(['login', 'renew t1']);
    await minutes(12.1);
    expect(world.asked).toEqual(['login', 'renew t1', 'login']);
    expect(await token(credential)).toBe('t2');
  });

  test('used up: the next is there before anybody asks', async () => {
    world.logins = [{ uses: 2 }];
    const credential = open();
    expect([await token(credential), await token(credential)]).toEqual(['t1', 't1']);
    await vi.advanceTimersByTimeAsync(0);
    expect(world.asked).toEqual(['login', 'login']);
    expect(await token(credential)).toBe('t2');
  });

  test('after a sleep, when only the wall clock has gone on, is replaced before it is used', async () => {
    const credential = open();
    await token(credential);
    world.wallAheadMs = 3_600_000;
    expect(await token(credential)).toBe('t2');
  });

  test('a wall clock that is set back changes nothing', async () => {
    const credential = open();
    await token(credential);
    world.wallAheadMs = -86_400_000;
    await minutes(36.1);
    expect(world.asked).toEqual(['login', 'renew t1']);
  });

  test('renewals that fail are tried again, later and later, while the token lasts', async () => {
    world.renewals = ['bao_unreachable'];
    const credential = open();
    await token(credential);
    await minutes(36.1);
    expect(world.asked.length).toBeGreaterThan(3);
    expect(world.asked.length).toBeLessThan(10);
    world.renewals = [{}];
    await minutes(2);
    expect(await token(credential)).toBe('t1');
    const renewed = world.asked.length;
    await minutes(20);
    expect(world.asked.length).toBe(renewed);
  });

  test.each<ErrorCode>(['token_expired', 'bao_denied', 'bao_bad_request'])(
    'a renewal that ends with %s is a login',
    async (code) => {
      world.renewals = [code];
      const credential = open();
      await token(credential);
      await minutes(36.1);
      expect(world.asked).toEqual(['login', 'renew t1', 'login']);
      expect(world.notices.map((notice) => notice.code)).toEqual([code]);
    },
  );

  test('one that was refused because it is dead makes room for another; a newer one is simply used', async () => {
    const credential = open();
    const used = await credential.authorization(1_000);
    const dead = thrown('token_expired');
    expect((await credential.refused(used, 'ssh/sign/dev', dead, 1_000)).code).toBe('token_expired');
    expect(await token(credential)).toBe('t2');
    expect((await credential.refused(used, 'ssh/sign/dev', dead, 1_000)).code).toBe('token_expired');
    expect(await token(credential)).toBe('t2');
    expect(world.asked).toEqual(['login', 'login']);
  });

  test('a login that is not done in time is said, and goes on', async () => {
    let finish: (grant: Grant) => void = () => undefined;
    const login = new Promise<Grant>((resolve) => {
      finish = resolve;
    });
    const slow = new TokenStore({
      method: {
        method: 'test',
        renewedBy: 'daemon',
        hint: '',
        describe: () => '',
        logIn: () => login,
        changed: async () => false,
      },
      engine: { ...NO_ENGINE, lookupSelf: async () => INFO, revokeSelf: async () => undefined },
      clock: { now: () => 0, monotonicNs: () => 0n },
      notice: () => undefined,
    });
    const first = slow.authorization(500).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(501);
    expect(await first).toMatchObject({ code: 'bao_timeout' });
    finish({ ...HOUR, token: 'late' });
    expect(await token(slow)).toBe('late');
    await slow.close(1_000);
  });
});

describe('a token that was found', () => {
  beforeEach(() => {
    world.logins = [{ found: 'f1' }];
  });

  test('is looked at once, renewed for whoever left it there, and read anew when that is another', async () => {
    const credential = open('elsewhere');
    await credential.warm(1_000);
    expect(credential.identity()).toBe('token-x');
    await minutes(36.1);
    expect(world.asked).toEqual(['login', 'renew f1']);
    world.changed = true;
    world.logins = [{ found: 'f2' }];
    expect(await token(credential)).toBe('f2');
  });

  test.each<[string, Partial<TokenInfo>, string[]]>([
    ['that can’t be renewed', { renewable: false }, []],
    ['at its longest time to live', { ttlSeconds: 1_000 }, []],
  ])('%s: the person is told in time, and OpenBao decides when it is over', async (_name, info, renewals) => {
    world.lookup = info;
    const credential = open('elsewhere');
    await credential.warm(1_000);
    await minutes(60);
    expect(world.asked).toEqual(['login', ...renewals]);
    expect(world.notices).toMatchObject([{ code: 'no_token', hint: 'do something' }]);
    expect(await token(credential)).toBe('f1');
  });

  test.each<ErrorCode>(['bao_denied', 'bao_unreachable'])(
    'of which nothing is known (%s) is used',
    async (code) => {
      world.lookup = code;
      const credential = open('elsewhere');
      expect(await token(credential)).toBe('f1');
      await minutes(600);
      expect(world.asked).toEqual(['login']);
      expect(world.notices.map((notice) => notice.code)).toEqual(code === 'bao_denied' ? [] : [code]);
    },
  );

  test('dead: the person has to log in, and until then each login looks again', async () => {
    const credential = open('elsewhere');
    const used = await credential.authorization(1_000);
    const refused = await credential.refused(used, 'ssh/sign/dev', thrown('token_expired'), 1_000);
    expect(refused).toMatchObject({ code: 'no_token', hint: 'do something' });
    expect(refused.message).toContain('a test');
    world.logins = ['no_token'];
    await expect(token(credential)).rejects.toMatchObject({ code: 'no_token' });
    world.logins = [{ found: 'f2' }];
    expect(await token(credential)).toBe('f2');
  });

  test('refused while another was left there: one more request', async () => {
    const credential = open('elsewhere');
    const used = await credential.authorization(1_000);
    world.changed = true;
    const refused = await credential.refused(used, 'ssh/sign/dev', thrown('bao_denied'), 1_000);
    expect(refused.code).toBe('token_expired');
  });
});

describe('a refusal by policy', () => {
  test.each<[string, Capabilities, string]>([
    ['says what the token may', ['deny'], 'are deny'],
    ['of which nothing can be asked', 'hidden', 'bao_denied happened'],
  ])('%s, and what it lacks', async (_name, capabilities, words) => {
    world.capabilities = capabilities;
    const credential = open();
    const used = await credential.authorization(1_000);
    const refused = await credential.refused(used, 'ssh/sign/dev', thrown('bao_denied'), 1_000);
    expect(refused).toMatchObject({ code: 'bao_denied', message: expect.stringContaining(words) });
    expect(refused.hint).toContain('path "ssh/sign/dev" { capabilities = ["update"] }');
    expect(await token(credential)).toBe('t1');
  });
});

describe('logins that are told of', () => {
  const dialogue = {
    by: 'warden login' as const,
    signal: new AbortController().signal,
    ask: unused,
    visit: () => undefined,
  };
  /** SHA-256 of `secret-accessor` (sha256sum). */
  const HASH = '34a3ab8441a4a79ae20146b5c85da10cfdd1b1e916de890d9c2d5f1b58112caa';
  const told = () => world.reports.map(({ by, identity, error }) => [by, error?.code ?? identity]);

  test('the daemon’s own: the first, another failure, success again, another identity; not each of them', async () => {
    const batch = { ttlSeconds: 60, fullTtlSeconds: 60, renewable: false };
    world.logins = [batch, batch, 'bao_unavailable', 'bao_unavailable', 'login_refused', batch];
    const credential = open();
    await token(credential);
    await minutes(0.1);
    expect(told()).toEqual([['daemon', 'token-x']]);
    await minutes(3);
    expect(told()).toEqual([
      ['daemon', 'token-x'],
      ['daemon', 'bao_unavailable'],
      ['daemon', 'login_refused'],
      ['daemon', 'token-x'],
    ]);
    world.lookup = { displayName: 'another' };
    await minutes(3);
    expect(told().slice(4)).toEqual([['daemon', 'another']]);
  });

  test('a person’s: each, and that of nobody is none', async () => {
    world.logins = ['no_token', 'login_refused', { accessor: 'secret-accessor' }, {}];
    const credential = open('person');
    await expect(token(credential)).rejects.toMatchObject({ code: 'no_token' });
    expect(told()).toEqual([]);
    await expect(credential.login(dialogue)).rejects.toMatchObject({ code: 'login_refused' });
    await credential.login(dialogue);
    await credential.login(dialogue);
    expect(told()).toEqual([
      ['warden login', 'login_refused'],
      ['warden login', 'token-x'],
      ['warden login', 'token-x'],
    ]);
    expect(world.reports[1]).toMatchObject({ method: 'test', from: 'a test', accessorHash: HASH });
    expect(JSON.stringify(world.reports)).not.toContain('secret-accessor');
  });

  test('a token that was found is nobody’s login; one that is looked for anew by a person is', async () => {
    world.logins = [{ found: 'f' }];
    const credential = open('elsewhere');
    await token(credential);
    await minutes(1);
    expect(told()).toEqual([]);
    await credential.login(dialogue);
    expect(told()).toEqual([['warden login', 'token-x']]);
  });
});

test('logout revokes the token and forgets it', async () => {
  const credential = open();
  await token(credential);
  await credential.logout(1_000);
  expect(world.asked).toEqual(['login', 'revoke t1']);
  expect(credential.identity()).toBeUndefined();
  await minutes(120);
  expect(world.asked).toEqual(['login', 'revoke t1']);
});

test.each<[LoginMethod['renewedBy'], string[]]>([
  ['daemon', ['login', 'revoke t1']],
  ['elsewhere', ['login']],
])(
  'at the end a token that was got (%s) is revoked, and one that was found is left',
  async (renewedBy, asked) => {
    const credential = open(renewedBy);
    await token(credential);
    await credential.close(1_000);
    expect(world.asked).toEqual(asked);
  },
);
