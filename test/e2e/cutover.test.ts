/** docs/ops-bridge-cutover.md followed from a tunnel that runs on a static key, with the real bao, sshd and ssh; and the record that it ends with. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { makeKey } from '../support/keys.ts';
import { writeKnownHosts } from '../support/known-hosts.ts';
import { type OpenBao, openbaoBinary, startOpenBao } from '../support/openbao.ts';
import { blocks, blocksOf } from '../support/pages.ts';
import { findProgram, mustRun, run, until } from '../support/process.ts';
import { realPartsMissing } from '../support/rig.ts';
import { type Sshd, startSshd } from '../support/sshd.ts';
import { lastingPort, type Stream, streamThrough } from '../support/stream.ts';
import { tempDirectory } from '../support/temp.ts';
import { keepTunnel, type Tunnel } from '../support/tunnel.ts';
import { LAUNCHER } from '../support/warden.ts';

const PAGE = 'docs/ops-bridge-cutover.md';
const TUNNEL = 'state-hub-coulombcore';
const ACTOR = 'agt-state-hub-bridge';
const OLD_KEY = `.ssh/${ACTOR}_ed25519`;
const BRIDGE = '.config/bridge/tunnels.yaml';
/** Of the 15 minutes that the page says for the trial: a refresh four seconds after each start. */
const REFRESH_BEFORE_S = 15 * 60 - 4;

const tunnelsFile = z.object({
  tunnels: z.object({
    [TUNNEL]: z.looseObject({ ssh_key: z.string(), cert_command: z.string().optional() }),
  }),
});
const record = z.looseObject({ certificates: z.array(z.looseObject({ serial: z.string() })) });

const missing = realPartsMissing();
const home = tempDirectory('cut-');
let bao: OpenBao;
let sshd: Sshd;
let stream: Stream;
let tunnel: Tunnel;
let env: Readonly<Record<string, string | undefined>>;

const sh = (script: string, more: typeof env = {}) =>
  mustRun('sh', ['-euc', script], { cwd: home.path, env: { ...env, ...more } });
const warden = (...args: readonly string[]) => run('warden', args, { cwd: home.path, env });
/** The text of the page's block for a file that begins with a comment of its name. */
const fileBlock = (name: string) =>
  blocksOf(PAGE).find(({ language, text }) => language === 'yaml' && text.startsWith(`# ${name}\n`))?.text ??
  '';

function writeTunnels(change: Readonly<Record<string, unknown>> = {}): void {
  const tunnels = {
    [TUNNEL]: {
      host: 'coulombcore',
      remote_port: 18000,
      local_port: 8000,
      ssh_user: sshd.user,
      ssh_key: `~/${OLD_KEY}`,
      actor: ACTOR,
      reconnect: { max_attempts: 0 },
      ...change,
    },
  };
  home.write(BRIDGE, stringify({ tunnels }));
}

/** What the page's tunnels.yaml changes. */
function switched() {
  return tunnelsFile.parse(parse(fileBlock('tunnels.yaml'))).tunnels[TUNNEL];
}

/** What ops-bridge makes of its file at each start. */
function keyPair() {
  const { tunnels } = tunnelsFile.parse(parse(readFileSync(home.join(BRIDGE), 'utf8')));
  const { ssh_key, cert_command: command } = tunnels[TUNNEL];
  const key = ssh_key.replace('~', home.path);
  if (command === undefined) return { key };
  const certificate = home.join(`${TUNNEL}-cert.pub`);
  return { key, byCommand: { command, certificate, refreshBefore: REFRESH_BEFORE_S } };
}

async function moves(after: string): Promise<void> {
  const from = stream.acknowledged;
  await until(`the stream goes on ${after}`, () => stream.acknowledged > from, 20_000);
}

/** `bridge restart`. */
async function restart(): Promise<void> {
  const before = sshd.logins().length;
  tunnel.restart();
  await sshd.waitForLogins(before + 1);
  await moves('after a restart');
}

const lastLogin = () => sshd.logins().at(-1)?.certificate?.keyId;

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});
beforeAll(async () => {
  if (missing !== undefined) return;
  for (const name of ['.ssh', '.config/bridge', '.config/warden', 'bin'])
    mkdirSync(home.join(name), { recursive: true, mode: 0o700 });
  bao = await startOpenBao();
  const key = await makeKey(home.join('.ssh'), `${ACTOR}_ed25519`);
  // Step 2 is done: the CA, the principal and the old line.
  sshd = await startSshd({
    userCas: [bao.caPublicKey],
    authorizedKeys: [key.publicKey],
    principals: { [userInfo().username]: ['agt-task-bridge'] },
  });
  const config = [
    'Host coulombcore',
    'HostName 127.0.0.1',
    `Port ${sshd.port}`,
    `UserKnownHostsFile ${await writeKnownHosts(home, sshd.knownHosts())}`,
  ];
  home.write('.ssh/config', config.map((line) => `${line}\n`).join(''));
  // ssh takes its home from the password database.
  home.write('bin/ssh', `#!/bin/sh\nexec ${findProgram('ssh')} -F "$HOME/.ssh/config" "$@"\n`, 0o755);
  const path = [home.join('bin'), dirname(LAUNCHER), dirname(openbaoBinary() ?? ''), process.env['PATH']];
  env = { HOME: home.path, BAO_ADDR: bao.addr, PATH: path.join(':') };
});
afterAll(async () => {
  await tunnel?.stop();
  await stream?.stop();
  await sshd?.stop();
  await bao?.stop();
  home.remove();
});

describe('the page', () => {
  test('1 to 3: on its key; the gate says what is there', { timeout: 60_000 }, async () => {
    writeTunnels();
    const entry = await lastingPort();
    stream = await streamThrough(entry);
    tunnel = keepTunnel({
      ssh: { host: 'coulombcore', config: home.join('.ssh/config') },
      forward: ['-R', `${entry}:127.0.0.1:${stream.port}`],
      env,
      keyPair,
      onStart: (certificate) => {
        const identity = certificate === undefined ? {} : { cert_identity: certificate.keyId };
        const event = { event: 'BRIDGE_CONNECTED', tunnel: TUNNEL, ...identity };
        appendFileSync(home.join('bridge-events.jsonl'), `${JSON.stringify(event)}\n`);
      },
    });
    await moves('on its key');

    await bao.api('DELETE', 'ssh/roles/agt-role');
    await sh(blocks(PAGE, 'cutover:administrator'), { BAO_TOKEN: bao.rootToken });
    const token = await bao.createToken({ policies: ['warden-agt'] });
    await mustRun('bao', ['login', '-no-print', token], { env });
    home.write(
      '.config/warden/warden.yaml',
      fileBlock('warden.yaml').replace(/addr: \S+/, `addr: ${bao.addr}`),
    );
    const gate = await sh(blocks(PAGE, 'cutover:gate'));
    expect(gate).toContain('WARN     tunnel.cert_command');
    expect(gate).toMatch(/PASS {5}smoke\.certificate .*key id agt-state-hub-bridge/);
    expect(gate).not.toMatch(/FAIL|UNKNOWN/);
    expect(lastLogin()).toBeUndefined();
  });

  test('4 to 7: switched, refreshed, the way back tried, the key shut out', { timeout: 90_000 }, async () => {
    const { ssh_key, cert_command } = switched();
    // The trap that the page warns of: a certificate for the key that the host knows goes unused.
    const old = `${cert_command}`.replace(`${ssh_key}.pub`, `~/${OLD_KEY}.pub`);
    writeTunnels({ cert_command: old });
    await restart();
    expect(lastLogin()).toBeUndefined();

    writeTunnels({ ssh_key, cert_command: `${cert_command} --ttl 15m` });
    await restart();
    expect(lastLogin()).toBe(ACTOR);
    await until('a refresh', () => tunnel.events.includes('expiring'), 20_000);
    await moves('after the refresh');
    expect(await sh(blocks(PAGE, 'cutover:look'))).toMatch(/agt-state-hub-bridge .*serial=\d+/);

    writeTunnels();
    await restart();
    expect(lastLogin()).toBeUndefined();
    writeTunnels(switched());
    await restart();
    expect(lastLogin()).toBe(ACTOR);

    const refused = blocks(PAGE, 'cutover:refused');
    const [oldKey = ''] = refused.split('\n');
    // It does open the host, until its line is gone.
    await sh(oldKey.replace('! ', ''));
    sshd.authorizeKeys([]);
    await sh(refused);
    await restart();
    expect(lastLogin()).toBe(ACTOR);
  });

  test('8: the record, checked; all the time no byte was lost', { timeout: 60_000 }, async () => {
    await stream.finish();
    expect(stream).toMatchObject({ arrived: stream.sent, wrong: [] });
    home.write('auth.log', sshd.log());
    const verified = await sh(blocks(PAGE, 'cutover:evidence'));
    expect(verified).toMatch(/intact/);
    const note = readFileSync(home.join(`cutover-${TUNNEL}.json`), 'utf8');
    const [json = ''] = note.split('\n\n');
    const written = record.parse(JSON.parse(json));
    expect(written).toMatchObject({
      tunnel: TUNNEL,
      host: 'coulombcore',
      actor: ACTOR,
      gate_exit: 0,
      refresh_observed: true,
      bridge_cert_identities: [ACTOR],
    });
    // The smoke's, the unused, the first, the refresh, after the way back, after the key.
    expect(written.certificates.length).toBeGreaterThanOrEqual(6);
    expect(note).not.toMatch(/PRIVATE|cert-v01|hvs\.|s\.[A-Za-z0-9]{20}/);
  });
});

test('a record that lacks something says what; one that was changed is none', async () => {
  expect(await warden('tunnel', 'evidence', TUNNEL)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/it lacks: no login[\s\S]*it lacks: the way back/),
  });
  const verify = (file: string) => warden('audit', 'verify', '--evidence', file);
  const note = readFileSync(home.join(`cutover-${TUNNEL}.json`), 'utf8');
  const changed = home.write('changed.json', note.replace('"operator": "', '"operator": "not '));
  expect(await verify(changed)).toMatchObject({
    code: 65,
    stderr: expect.stringMatching(/not signed by warden-audit/),
  });
  expect(await verify(home.join('auth.log'))).toMatchObject({ code: 65 });
});
