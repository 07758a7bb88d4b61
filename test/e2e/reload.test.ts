/**
 * SIGHUP on a living daemon: the next login is by the new configuration or by the former one, what is in flight ends with what it
 * began with, and what outlives a connection outlives a configuration. A real sshd, the lab's OpenBao, which can be made to wait.
 */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { fetchStatus } from '../../src/control/client.ts';
import type { Status } from '../../src/control/messages.ts';
import { type LabOpenBao, type LabOpenBaoOptions, startLabOpenBao } from '../../src/lab/openbao.ts';
import { minted } from '../attack/matrix.ts';
import { type Far, startFar } from '../fault/fault-rig.ts';
import { AgentClient, type Bind, encodeLoginData, LIST } from '../support/agent-client.ts';
import { syntheticBind } from '../support/binds.ts';
import { readPrivateKey } from '../support/keys.ts';
import { JIT_ROLE, jitRole } from '../support/openbao.ts';
import { until } from '../support/process.ts';
import { sshdMissing } from '../support/sshd.ts';
import { startWarden, type Warden } from '../support/warden.ts';

const missing = sshdMissing();
let honest: NonNullable<LabOpenBaoOptions['intercept']> = async () => undefined;
let lab: LabOpenBao;
let far: Far;
let warden: Warden;
let good: { readonly config: string; readonly lanes: string };

beforeAll(async () => {
  if (missing !== undefined) return;
  lab = await startLabOpenBao({
    roles: { [JIT_ROLE]: jitRole(['root', 'ops']) },
    intercept: (request) => honest(request),
  });
  far = await startFar([lab.caPublicKey]);
  const { port, user } = far.sshd;
  const lane = { hosts: [`[127.0.0.1]:${port}`], logins: [user], role: JIT_ROLE };
  warden = await startWarden({
    openbao: { addr: lab.url, token: lab.tokens.create(JIT_ROLE) },
    lanes: { web: lane, other: { ...lane, hosts: ['other.test'] } },
    principals: [user],
    knownHosts: [far.knownHosts],
    upstream: far.upstream.socket,
    agent: { direct_peers: 'any' },
  });
  good = {
    config: readFileSync(warden.configFile, 'utf8'),
    lanes: readFileSync(warden.dir.join('catalog/lanes.yaml'), 'utf8'),
  };
});

afterAll(async () => {
  await warden?.remove();
  await lab?.stop();
  await far?.remove();
});

beforeEach(async (context) => {
  if (missing !== undefined) context.skip(missing);
  honest = async () => undefined;
});

function write(config: string, lanes = good.lanes): void {
  warden.dir.write('warden.yaml', config);
  warden.dir.write('catalog/lanes.yaml', lanes);
}

/** The good configuration with a block of it replaced. */
function changed(block: string, values: Readonly<Record<string, unknown>>): string {
  const config = parse(good.config);
  return stringify({ ...config, [block]: { ...config[block], ...values } });
}

/** SIGHUP, and what the trail then says of the configuration: `code message`. */
async function hangUp(): Promise<string> {
  const records = () =>
    warden
      .trail()
      .flatMap(({ event, code, message }) => (event === 'config.changed' ? [`${code} ${message}`] : []));
  const before = records().length;
  process.kill(warden.pid ?? 0, 'SIGHUP');
  return until('a record of the reload', () => records().slice(before).join('\n') || undefined);
}

const status = (): Promise<Status> => fetchStatus([warden.controlSocket]);
const login = () => far.login(warden.socket);
const bind = (): Bind => syntheticBind(readPrivateKey(far.sshd.hostKeys[0]?.path ?? ''));

describe('what can change', () => {
  test('a lane goes and comes back, and the trail says which', async () => {
    expect(await login()).toBe('certificate');
    write(good.config, good.lanes.replace('id: web', 'id: elsewhere').replace('127.0.0.1', '127.0.0.9'));
    expect(await hangUp()).toBe('W0003I lane web removed; lane elsewhere added');
    expect(await login()).toBe('key');
    expect((await status()).lanes).toEqual(['elsewhere', 'other']);
    write(good.config);
    await hangUp();
    expect(await login()).toBe('certificate');
  });

  test('a lane that becomes unbound: allow has its sockets, and they refuse once it is bound again, or gone', async () => {
    const { port, user } = far.sshd;
    const at = (path: string) => warden.dir.join(`run/${path}`);
    const ofHost = at(`to/[127.0.0.1]:${port}.sock`);
    const sockets = [ofHost, at(`to/[127.0.0.1]:${port}/${user}.sock`), at('lane/web.sock')];
    const shown = async (path: string) => {
      const client = await AgentClient.connect(path);
      try {
        return (await client.identities()).filter(({ comment }) => comment.startsWith('warden: '));
      } finally {
        client.close();
      }
    };
    const refused = () => warden.trail().findLast(({ event }) => event === 'agent.bind_refused')?.error_code;
    expect(existsSync(ofHost)).toBe(false);

    const { entries } = parse(good.lanes);
    const { ssh, ...web } = entries[0];
    write(
      good.config,
      stringify({ entries: [{ ...web, ssh: { ...ssh, unbound: 'allow', principals: [user] } }] }),
    );
    expect(await hangUp()).toBe('W0003I lane web changed; lane other removed');
    for (const path of sockets) {
      await until(`${path} is there`, () => existsSync(path));
      const [identity] = await shown(path);
      const client = await AgentClient.connect(path);
      const data = encodeLoginData({ sessionId: Buffer.alloc(32, 1), user, key: identity?.blob ?? LIST });
      expect(await client.sign(identity?.blob ?? LIST, data)).toBeInstanceOf(Buffer);
      client.close();
    }

    write(good.config);
    await hangUp();
    for (const path of sockets) expect(await shown(path)).toEqual([]);
    await until('the trail says why', () => refused() === 'no_binding');
    write(good.config, 'entries: []\n');
    await hangUp();
    for (const path of sockets) expect(await shown(path)).toEqual([]);
    await until('the trail says why', () => refused() === 'no_lane');
    // A socket that is for nothing any more takes no keys of the agent behind away.
    expect(await far.login(ofHost)).toBe('key');
    write(good.config);
    await hangUp();
    expect(await login()).toBe('certificate');
  });

  test('known_hosts, the inventory and how a caller is judged', async () => {
    const elsewhere = warden.dir.write('known', '');
    const inventory = readFileSync(warden.dir.join('inventory.yaml'), 'utf8');
    write(changed('agent', { known_hosts: [elsewhere], direct_peers: 'ssh' }));
    warden.dir.write('inventory.yaml', inventory.replace('ttl_hours: 1', 'ttl_hours: 2'));
    expect(new Set((await hangUp()).replace('W0003I ', '').split('; '))).toEqual(
      new Set([
        'lane web changed',
        'lane other changed',
        'actor adm-test changed',
        'agent.known_hosts changed',
        'agent.direct_peers changed',
      ]),
    );
    expect(await login()).toBe('key');
    expect((await warden.cli(['why'])).stdout).toContain('unknown_host_key');
    write(good.config);
    warden.dir.write('inventory.yaml', inventory);
    await hangUp();
    expect(await login()).toBe('certificate');
  });

  test('OpenBao, and a token from the environment is still there', async () => {
    write(changed('openbao', { addr: 'http://127.0.0.1:9' }));
    expect(await hangUp()).toBe('W0003I openbao.addr changed');
    expect((await status()).openbao?.addresses).toEqual(['http://127.0.0.1:9']);
    expect(await login()).toBe('key');
    write(good.config);
    await hangUp();
    // The pause was the other server's.
    expect((await status()).openbao).toMatchObject({
      paused: null,
      credential: 'environment WARDEN_TEST_TOKEN',
    });
    expect(await login()).toBe('certificate');
  });

  test('what wants a restart is said and stays', async () => {
    const before = await status();
    const state_dir = warden.dir.join('elsewhere');
    const config = parse(changed('agent', { socket: warden.dir.join('run/b.sock'), upstream: 'none' }));
    write(stringify({ ...config, state_dir }));
    const { stdout, code } = await warden.cli(['agent', '--reload', '--socket', warden.socket]);
    expect({ stdout, code }).toEqual({
      stdout:
        'nothing has changed\nagent.socket needs a restart\nagent.upstream needs a restart\nstate_dir needs a restart\n',
      code: 0,
    });
    const { warnings, socket, upstream } = await status();
    expect(warnings).toContain('state_dir has changed: it needs a restart');
    expect({ socket, upstream }).toEqual({ socket: before.socket, upstream: before.upstream });
    expect(await login()).toBe('certificate');
    write(good.config);
    await warden.cli(['agent', '--reload']);
    expect((await status()).warnings).toEqual(before.warnings);
  });
});

describe('a configuration that is refused', () => {
  test.each([
    ['malformed YAML', () => write('actor: ['), 'config_invalid'],
    ['an unknown key', () => write(changed('openbao', { adress: 'x' })), 'config_invalid'],
    [
      'a lane that asks for more than its actor has',
      () => write(good.config, good.lanes.replace(/logins:/, 'principals: [toor]\n      logins:')),
      'config_invalid',
    ],
    [
      'an unusable CA file',
      () => write(changed('openbao', { ca_cert: warden.dir.write('ca.pem', 'none') })),
      'config_invalid',
    ],
  ])('leaves the former one: %s', async (_what, spoil, code) => {
    const pid = warden.pid;
    spoil();
    expect(await hangUp()).toBe('W0003E the configuration was refused, the former one stays');
    expect(warden.trail().findLast(({ event }) => event === 'config.changed')?.error_code).toBe(code);
    const { reload_refused, lanes, relay_only } = await status();
    expect({ lanes, relay_only }).toEqual({ lanes: ['web', 'other'], relay_only: null });
    expect(reload_refused).toContain(warden.dir.path);
    expect(warden.log()).toContain('the configuration was refused, the former one stays: ');
    expect((await warden.cli(['status'], { WARDEN_SOCKET: warden.socket })).stdout).toMatch(/reload refused/);
    expect(await login()).toBe('certificate');
    expect(warden.pid).toBe(pid);
    write(good.config);
    expect(await warden.cli(['agent', '--reload'])).toMatchObject({ code: 0 });
    expect((await status()).reload_refused).toBeNull();
  });

  test('is 78 and every reason for whoever asked', async () => {
    write(`${good.config}bogus: 1\nworse: 2\n`);
    const socket = ['--socket', warden.socket];
    const { code, stdout, stderr } = await warden.cli(['agent', '--reload', ...socket]);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toMatch(
      /^warden: \S+warden\.yaml:\d+: bogus: .*\nwarden: \S+: worse: .*\n.*the former configuration stays\n$/,
    );
    const json = await warden.cli(['agent', '--reload', '--json', ...socket]);
    expect(json).toMatchObject({ code: 78, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({
      changes: [],
      problems: [/bogus/, /worse/].map((text) => expect.stringMatching(text)),
    });
    write(good.config);
    expect(await warden.cli(['agent', '--reload', '--json'])).toMatchObject({ code: 0 });
  });
});

describe('what lives on', () => {
  test('a login that OpenBao has not answered yet ends with what it began with', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let asked = false;
    honest = async ({ path }) => {
      if (!path.startsWith('ssh/sign/')) return undefined;
      asked = true;
      await gate;
      return undefined;
    };
    const waiting = login();
    await until('OpenBao is asked', () => asked);
    write(changed('openbao', { addr: 'http://127.0.0.1:9' }), 'entries: []\n');
    await hangUp();
    release();
    expect(await waiting).toBe('certificate');
    expect(await login()).toBe('key');
    write(good.config);
    await hangUp();
  });

  test('a certificate that has not signed, the sessions that had theirs, the counters', async () => {
    const before = await status();
    const client = await AgentClient.connect(warden.socket);
    const session = bind();
    const { blob } = await minted(client, session);
    write(good.config, 'entries: []\n');
    await hangUp();
    const data = encodeLoginData({ sessionId: session.sessionId, user: far.sshd.user, key: blob });
    write(good.config);
    await hangUp();
    const replay = await AgentClient.connect(warden.socket);
    expect(await replay.bind(session)).toBe(true);
    expect((await replay.identities()).filter(({ comment }) => comment.startsWith('warden:'))).toEqual([]);
    await until('the replay is written down', () => warden.trail().at(-1)?.error_code === 'replayed_binding');
    expect(await client.sign(blob, data)).toBeDefined();
    expect(await status()).toMatchObject({ minted: before.minted + 1, signed: before.signed + 1 });
    client.close();
    replay.close();
  });

  test('and the trail is one chain', async () => {
    expect(await warden.cli(['audit', 'verify'])).toMatchObject({ code: 0 });
  });
});
